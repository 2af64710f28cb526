/**
 * An app that calls at a steady rate, even when its calls fail. It derives, writes and deletes. Some time after a write is acknowledged,
 * it reads the key back, each time from the next node.
 */
import { pause } from '../../src/dev/waiting.ts';
import { CallFailed, type FieldClient } from './field-client.ts';
import { Ledger, type Verdict } from './ledger.ts';

/**
 * After this time, every ready node must hold a write, because each node compares its store with all other nodes in turn. Milliseconds.
 */
export const SETTLE_MS = 90_000;
/** The loss of a write is not an error if only one node acknowledged it, less than this time before that node was killed. Milliseconds. */
export const DEATH_WINDOW_MS = 1_000;
const PATHS = 25;
/** A key is written again after this number of writes. */
const KEYS = 1_500;
/** When this number of calls is under way, no new call begins. */
const MAX_UNDER_WAY = 64;

/** The kind of each of ten consecutive calls. Then the order repeats. */
const TURNS = ['derive', 'put', 'check', 'derive', 'put', 'derive', 'check', 'put', 'derive', 'remove'] as const;

export interface SteadyAppOptions {
  readonly name: string;
  readonly callsPerSecond: number;
}

export interface SteadyAppModules {
  readonly client: FieldClient;
  /** URLs of the nodes that are ready. */
  readonly ready: () => readonly string[];
  /** Prints each wrong answer immediately. */
  readonly say: (line: string) => void;
}

export class SteadyApp {
  readonly ledger: Ledger;
  readonly name: string;
  calls = 0;
  failed = 0;
  /** Number of calls that were not made because too many calls were under way. */
  heldBack = 0;
  checks = 0;
  /** The wrong answers, one line each. */
  readonly wrong: string[] = [];
  readonly #failures = new Map<string, number>();
  readonly #everyMs: number;
  readonly #modules: SteadyAppModules;
  readonly #keys = new Map<string, string>();
  readonly #busy = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  #written = 0;
  #turn = 0;
  #stopped = false;

  constructor({ name, callsPerSecond }: SteadyAppOptions, modules: SteadyAppModules) {
    this.name = name;
    this.ledger = new Ledger(name);
    this.#everyMs = 1_000 / callsPerSecond;
    this.#modules = modules;
  }

  /** Failures of calls, most frequent first. */
  failures(): readonly (readonly [string, number])[] {
    return [...this.#failures].sort(([, a], [, b]) => b - a);
  }

  async run(): Promise<void> {
    const startedMs = performance.now();
    for (let nth = 0; !this.#stopped; nth += 1) {
      if (this.#underWay.size >= MAX_UNDER_WAY) this.heldBack += 1;
      else this.#begin(nth);
      await pause(Math.max(0, startedMs + (nth + 1) * this.#everyMs - performance.now())).passed;
    }
    await Promise.all(this.#underWay);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Writes a key on one node. Like any key, it is checked on other nodes later. */
  async write(key: string, at: string): Promise<void> {
    await this.#counted(() => this.#put(key, at));
  }

  #begin(nth: number): void {
    const call = this.#counted(() => this.#one(nth));
    this.#underWay.add(call);
    void call.finally(() => this.#underWay.delete(call));
  }

  async #counted(work: () => Promise<void>): Promise<void> {
    this.calls += 1;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      this.failed += 1;
      this.#failures.set(error.message, (this.#failures.get(error.message) ?? 0) + 1);
    }
  }

  async #one(nth: number): Promise<void> {
    switch (TURNS[nth % TURNS.length]!) {
      case 'derive':
        return this.#derive(`s3/1/${nth % PATHS}`);
      case 'put':
        this.#written += 1;
        return this.#put(`field/${this.#written % KEYS}`);
      case 'remove':
        return this.#remove(`field/${Math.max(0, this.#written - KEYS / 2) % KEYS}`);
      case 'check':
        return this.#check();
    }
  }

  async #derive(path: string): Promise<void> {
    const key = await this.#modules.client.derive(path);
    const first = this.#keys.get(path) ?? key;
    this.#keys.set(path, first);
    if (key !== first) this.#note(`derive ${path}: the key differs from the first key of this path`);
  }

  async #put(key: string, at?: string): Promise<void> {
    await this.#alone(key, async () => {
      const version = this.ledger.begin(key, false);
      const taken = await this.#modules.client.put(key, this.ledger.textOf(key, version), at);
      this.ledger.acknowledge(key, version, { ...taken, atMs: performance.now() });
    });
  }

  async #remove(key: string): Promise<void> {
    if (!this.ledger.holdsValue(key, performance.now() - SETTLE_MS)) return;
    await this.#alone(key, async () => {
      const version = this.ledger.begin(key, true);
      const taken = await this.#modules.client.remove(key);
      // An earlier attempt, whose answer was lost, may have deleted the key.
      if (taken !== null) this.ledger.acknowledge(key, version, { ...taken, atMs: performance.now() });
    });
  }

  async #check(): Promise<void> {
    const settledMs = performance.now() - SETTLE_MS;
    const due = this.ledger.takeDue(settledMs);
    const urls = this.#modules.ready();
    if (due === null || urls.length === 0) return;
    this.#turn += 1;
    const url = urls[this.#turn % urls.length]!;
    const verdict = await this.#read(due.key, url, settledMs);
    this.checks += 1;
    if (verdict !== 'right') this.#note(`get ${due.key} on ${url}: ${verdict}, version ${due.version.number} was acknowledged by ${due.version.acknowledged!.by} ${((performance.now() - due.version.acknowledged!.atMs) / 1_000).toFixed(1)} s earlier`);
  }

  async #read(key: string, url: string, settledMs: number): Promise<Verdict> {
    const seen = await this.#modules.client.get(key, url);
    return this.ledger.judge(key, seen, settledMs, DEATH_WINDOW_MS);
  }

  /** Does nothing while another call for the key is under way, so that the versions of the key follow one another. */
  async #alone(key: string, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    try {
      await work();
    } finally {
      this.#busy.delete(key);
    }
  }

  #note(line: string): void {
    this.wrong.push(line);
    this.#modules.say(`WRONG: ${this.name}: ${line}`);
  }
}
