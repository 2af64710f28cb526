/**
 * Runs the production machine on a real actor. The test controls its slots and timers: it decides when a slot settles and when a timer
 * fires.
 */
import { createActor, fromCallback, fromPromise, type Actor, type InspectionEvent } from 'xstate';
import { createNodeMachine, type NodeMachine } from '../../src/machines/node-machine.ts';
import type { NodeMachineOptions } from '../../src/machines/model.ts';
import { slots, type SyncTick } from '../../src/machines/slots.ts';

export type SlotName = keyof typeof slots;

interface Call {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal;
}

interface Timer {
  readonly fire: () => void;
  readonly delayMs: number;
  readonly dueMs: number;
}

export class ControlledNode {
  readonly machine: NodeMachine;
  readonly actor: Actor<NodeMachine>;
  readonly errors: unknown[] = [];
  /** How many times each slot was started. */
  readonly started = new Map<SlotName, number>();
  /** Every sync_tick that the replication received. */
  readonly syncTicks: SyncTick[] = [];
  /** Whether the replication is running; null before its first start. */
  replicating: boolean | null = null;
  /** The answer that the machine gets when it asks whether the vault can serve. */
  servable = true;
  /** The error that the replication throws at the next sync_tick. */
  failSyncTick: Error | null = null;
  /** How far the wall clock is ahead of the monotonic clock. Milliseconds. */
  wallAheadMs = 0;
  readonly #calls = new Map<SlotName, Call>();
  readonly #timers = new Map<number, Timer>();
  #nowMs = 0;
  #nextTimer = 1;

  constructor(options: NodeMachineOptions, inspect?: (event: InspectionEvent) => void) {
    const clock = {
      nowMs: () => this.#nowMs + this.wallAheadMs,
      monotonicMs: () => this.#nowMs,
      setTimeout: (fire: () => void, delayMs: number) => {
        const id = this.#nextTimer++;
        this.#timers.set(id, { fire, delayMs, dueMs: this.#nowMs + delayMs });
        return id;
      },
      clearTimeout: (id: number) => void this.#timers.delete(id),
    };
    const controlled = Object.fromEntries(
      (Object.keys(slots) as SlotName[]).map((name) => [name, name === 'replicate' ? this.#replication() : this.#step(name)]),
    ) as unknown as typeof slots;
    this.machine = createNodeMachine(options, { clock, random: { unit: () => 0 }, secret: { isServable: () => this.servable } }).provide({ actors: controlled });
    this.actor = createActor(this.machine, { clock, ...(inspect === undefined ? {} : { inspect }) });
    this.actor.subscribe({ error: (error) => this.errors.push(error) });
    this.actor.start();
  }

  /** The machine's monotonic clock, which is also its wall clock unless `wallAheadMs` is set. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get snapshot() {
    return this.actor.getSnapshot();
  }

  /** The abort signal of the slot's last call. */
  signalOf(slot: SlotName): AbortSignal {
    return this.#call(slot).signal;
  }

  async settle(slot: SlotName, output: unknown): Promise<void> {
    this.#call(slot).resolve(output);
    await flush();
  }

  async fail(slot: SlotName, error: unknown): Promise<void> {
    this.#call(slot).reject(error);
    await flush();
  }

  /** Moves the clock to the time at which the timer with this delay is due, and fires the timer. */
  async fireTimer(delayMs: number): Promise<void> {
    const found = [...this.#timers].find(([, timer]) => timer.delayMs === delayMs);
    if (found === undefined) throw new Error(`no timer of ${delayMs} ms is running`);
    this.#timers.delete(found[0]);
    this.#nowMs = Math.max(this.#nowMs, found[1].dueMs);
    found[1].fire();
    await flush();
  }

  /** Moves the clock forward. Timers fire in order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#timers].filter(([, timer]) => timer.dueMs <= endMs).sort(([, a], [, b]) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#nowMs = next[1].dueMs;
      next[1].fire();
      await flush();
    }
    this.#nowMs = endMs;
  }

  #step(name: SlotName) {
    return fromPromise(
      ({ signal }) =>
        new Promise((resolve, reject) => {
          this.started.set(name, (this.started.get(name) ?? 0) + 1);
          this.#calls.set(name, { resolve, reject, signal });
        }),
    );
  }

  #replication() {
    return fromCallback<SyncTick>(({ receive }) => {
      this.started.set('replicate', (this.started.get('replicate') ?? 0) + 1);
      this.replicating = true;
      receive((event) => {
        if (this.failSyncTick !== null) throw this.failSyncTick;
        this.syncTicks.push(event);
      });
      return () => {
        this.replicating = false;
      };
    });
  }

  #call(slot: SlotName): Call {
    const call = this.#calls.get(slot);
    if (call === undefined) throw new Error(`${slot} was not started`);
    return call;
  }
}

/** Lets promise actors report their results. One turn of the microtask queue is not enough, because XState awaits too. */
async function flush(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
}
