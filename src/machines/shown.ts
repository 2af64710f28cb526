/**
 * The part of the machine's context that may be shown outside the process, with the labels that a visualiser uses. This is an
 * allow-list: a value that is not listed here is not shown. All of it is public: hashes, counts, times and our own sentences.
 */
import { ZERO_HASH } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import { reasonLine } from '../domain/reasons.ts';
import type { NodeMachineOptions } from './model.ts';
import { REASON_NOTES } from './reason-notes.ts';
import { confirmedSecret, type SecretLife } from './secret-life.ts';
import { readinessState, type NodeSnapshot } from './status.ts';

export interface Moment {
  /** Unix milliseconds. */
  readonly atMs: number;
}

export type NodeShown = Readonly<Record<string, string | number | boolean | null | Moment>>;

export interface NodeShownModules {
  /** The clock that the machine uses. */
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly secret: { readonly life: SecretLife; isServable(): boolean };
  /** Converts a time of the node's wall clock to a time of the reader's wall clock. If absent, both clocks are the same. */
  readonly readerMs?: (nodeMs: number) => number;
}

/** Returns a function that reads the shown values from snapshots of one machine. */
export function createNodeShown(
  options: Pick<NodeMachineOptions, 'nodeTickMs'>,
  { clock, secret, readerMs = (nodeMs) => nodeMs }: NodeShownModules,
): (snapshot: NodeSnapshot) => NodeShown {
  const nextTick = momentOf(clock, readerMs);
  const nextSyncTick = momentOf(clock, readerMs);
  return (snapshot) => {
    const { context, value } = snapshot;
    const { reason, tick } = context;
    const isReady = readinessState(snapshot) === 'ready';
    return {
      reason: reason === null ? null : reasonLine(reason),
      meaning: reason === null ? null : REASON_NOTES[reason.text],
      since: { atMs: readerMs(context.sinceMs) },
      'chain hash': secret.life.shown === ZERO_HASH ? null : secret.life.shown,
      secret: secret.life.stage,
      'secret confirmed': confirmedSecret(secret.life) !== null,
      'sync key': secret.isServable(),
      'first snapshot': context.firstSnapshot.state,
      block: context.block,
      members: context.members,
      'last tick': tick.last?.outcome ?? null,
      'last tick ms': tick.last?.durationMs ?? null,
      'last tick started': tick.last === null ? null : { atMs: readerMs(tick.last.startedAtMs) },
      'ticks run': tick.run,
      'ticks dropped': tick.dropped,
      'node_tick seconds': options.nodeTickMs / 1_000,
      'early ticks in a row': context.backoff.attempt,
      'sync_ticks run': context.syncTicks.run,
      'next node_tick': value.nodeTick === 'idle' ? nextTick(context.nextTickAtMs) : null,
      'next sync_tick': isReady ? nextSyncTick(context.nextSyncTickAtMs) : null,
    };
  };
}

/** Converts monotonic to Unix milliseconds. Converts each value only once, because the clocks drift and a second result would differ. */
function momentOf(clock: Pick<Clock, 'nowMs' | 'monotonicMs'>, readerMs: (nodeMs: number) => number): (monotonicMs: number) => Moment {
  let last = Number.NaN;
  let moment: Moment = { atMs: 0 };
  return (monotonicMs) => {
    if (monotonicMs !== last) {
      last = monotonicMs;
      moment = { atMs: readerMs(clock.nowMs() + monotonicMs - clock.monotonicMs()) };
    }
    return moment;
  };
}
