/**
 * The actor slots, delays, guards and actions of the machine's regions. Guards and actions take what they need as parameters, and
 * actions change only the context.
 */
import { assign, setup } from 'xstate';
import { InvariantError, invariant } from '../domain/errors.ts';
import type { Reason } from '../domain/reasons.ts';
import { judgeFirstSnapshot, roundInVain, SNAPSHOT_COMPLETE, SNAPSHOT_MISSING, SNAPSHOT_NONE, type SnapshotRound } from './first-snapshot.ts';
import { PROBE_TIMEOUT_MS, STEP_TIMEOUT_MS } from './limits.ts';
import {
  instantOf,
  limitsOf,
  settleTick,
  startTick,
  type NodeContext,
  type NodeEvent,
  type NodeMachineOptions,
  type NodeMachinePorts,
  type Verdict,
} from './model.ts';
import type { StoreOrigin } from './secret-life.ts';
import { slots, type ChainFacts, type ChainFailure, type HashFacts, type SecretFacts, type SyncKeyFacts } from './slots.ts';
import { endsReady, isOutdated, untilOutdatedMs } from './view-age.ts';

export function setupNode(options: NodeMachineOptions, ports: NodeMachinePorts) {
  return setup({
    types: { context: {} as NodeContext, events: {} as NodeEvent, tags: {} as 'serving' },
    actors: slots,
    delays: {
      // A view may become outdated while a tick runs, and a node_tick must arrive at that moment.
      nodeBeat: ({ context }) => Math.min(options.nodeTickMs, untilOutdatedMs(context.view, instantOf(ports), limitsOf(options))),
      untilNextTick: ({ context }) => Math.max(0, context.nextTickAtMs - ports.clock.monotonicMs()),
      syncInterval: options.syncTickMs,
      ...STEP_TIMEOUT_MS,
      nudge: options.nudgeMs,
      probeLimit: PROBE_TIMEOUT_MS,
    },
    guards: {
      probesPeers: () => options.probePeers,
      nudges: () => options.nudgeMs > 0,
      isEligible: (_, facts: { eligible: boolean }) => facts.eligible,
      /** Whether step 1 read a view of the chain. */
      isView: (_, facts: ChainFacts | ChainFailure) => !('failed' in facts),
      viewIsOutdated: ({ context }) => isOutdated(context.view, instantOf(ports), limitsOf(options)),
      failureEndsReady: ({ context }) => endsReady(context.view, instantOf(ports), limitsOf(options)),
      hashIs: ({ context }, { kind }: { kind: HashFacts['kind'] }) => context.tick.hash?.kind === kind,
      isInstalled: (_, facts: SecretFacts) => facts.kind === 'installed',
      snapshotComplete: ({ context }) => context.firstSnapshot.state === 'complete',
      snapshotMissing: ({ context }) => context.firstSnapshot.state === 'missing',
    },
    actions: {
      // readiness
      explain: assign((_, { because }: { because: Reason | null }) => ({ reason: because })),
      stampState: assign(() => ({ sinceMs: ports.clock.nowMs() })),
      stampSyncBeat: assign(() => ({ nextSyncTickAtMs: ports.clock.monotonicMs() + options.syncTickMs })),
      countSyncTick: assign(({ context }) => ({ syncTicks: { run: context.syncTicks.run + 1 } })),
      /** The last check before a key can be served. */
      assertServable: () => invariant(ports.secret.isServable(), 'the node is ready, but its secret is not confirmed or its sync key is missing'),
      stopIfBroken: ({ event }) => {
        if ('error' in event && event.error instanceof InvariantError) throw event.error;
      },
      /** Stops the machine when replication has ended. Replication must not end while the node is ready, so this is a fault. */
      stopBroken: ({ event }) => {
        throw 'error' in event && event.error instanceof Error ? event.error : new InvariantError('replication ended by itself');
      },
      // nodeTick
      startTick: assign(({ context }) => startTick(context, ports)),
      conclude: assign(({ context }, { verdict, progress = '' }: { verdict: Verdict; progress?: string }) => ({
        tick: { ...context.tick, verdict, progress },
      })),
      settleTick: assign(({ context }) => settleTick(context, options, ports)),
      countDropped: assign(({ context }) => ({ tick: { ...context.tick, dropped: context.tick.dropped + 1 } })),
      noteChain: assign(({ context }, facts: ChainFacts | ChainFailure) => {
        invariant(!('failed' in facts), 'a failed read was noted as a view of the chain');
        const { block, blockMs, members, hash } = facts;
        const { nowMs, monotonicMs } = instantOf(ports);
        return {
          block,
          view: { blockMs, readAtMs: nowMs, readAtMonotonicMs: monotonicMs },
          members,
          tick: { ...context.tick, hash },
          ...(hash.kind === 'confirmed' ? beginSnapshot(context, hash.store) : {}),
        };
      }),
      noteInstalled: assign(({ context }, facts: SecretFacts) => {
        invariant(facts.kind === 'installed', 'a secret was noted as installed, but it is not installed');
        return beginSnapshot(context, facts.store);
      }),
      /** A stale node asks for a snapshot again, and keeps serving meanwhile. */
      noteSyncKey: assign(({ context }, { stale }: SyncKeyFacts) => ({
        firstSnapshot: stale && context.firstSnapshot.state === 'complete' ? SNAPSHOT_NONE : context.firstSnapshot,
      })),
      noteAsking: assign(({ context }) => ({ tick: { ...context.tick, askedAtMs: ports.clock.monotonicMs() } })),
      /** @param round null if the step hung or threw */
      noteSnapshot: assign(({ context }, { round }: { round: SnapshotRound | null }) => ({
        firstSnapshot: judgeFirstSnapshot(
          context.firstSnapshot,
          round ?? roundInVain(context.members),
          context.tick.askedAtMs ?? ports.clock.monotonicMs(),
          ports.clock.monotonicMs(),
          options.nodeTickMs,
        ),
      })),
    },
  });
}

/** A newly confirmed secret starts with an empty store. That store needs a first snapshot, unless this process claimed the hash. */
function beginSnapshot(context: NodeContext, { secret, claimedHere }: StoreOrigin): Partial<NodeContext> {
  if (context.snapshotUnder === secret) return {};
  return { snapshotUnder: secret, firstSnapshot: claimedHere ? SNAPSHOT_COMPLETE : SNAPSHOT_MISSING };
}

export type NodeSetup = ReturnType<typeof setupNode>;
