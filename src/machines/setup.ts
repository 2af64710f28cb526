/**
 * What the regions of the machine are made of: actor slots, delays, guards and actions. Guards and actions take what
 * they need as parameters and touch nothing but the context.
 */
import { assign, setup } from 'xstate';
import { InvariantError, invariant } from '../domain/errors.ts';
import { ZERO_HASH } from '../domain/ids.ts';
import type { Reason } from '../domain/reasons.ts';
import { judgeFirstSnapshot, roundInVain, SNAPSHOT_COMPLETE, SNAPSHOT_MISSING, SNAPSHOT_NONE, type SnapshotRound } from './first-snapshot.ts';
import { PROBE_LIMIT_MS, STEP_LIMIT_MS } from './limits.ts';
import {
  settleTick,
  startTick,
  type NodeContext,
  type NodeEvent,
  type NodeMachineOptions,
  type NodeMachinePorts,
  type Verdict,
} from './model.ts';
import { slots, type HashFacts, type MembershipFacts, type SecretFacts, type SyncKeyFacts } from './slots.ts';

export function setupNode(options: NodeMachineOptions, ports: NodeMachinePorts) {
  return setup({
    types: { context: {} as NodeContext, events: {} as NodeEvent, tags: {} as 'serving' },
    actors: slots,
    delays: {
      nodeBeat: options.nodeTickMs,
      untilNextTick: ({ context }) => Math.max(0, context.nextTickAtMs - ports.clock.monotonicMs()),
      syncInterval: options.syncTickMs,
      ...STEP_LIMIT_MS,
      nudge: options.nudgeMs,
      probeLimit: PROBE_LIMIT_MS,
    },
    guards: {
      probesPeers: () => options.probePeers,
      nudges: () => options.nudgeMs > 0,
      isWithdrawn: (_, facts: MembershipFacts) => facts.shownInstead !== null,
      isEligible: (_, facts: { eligible: boolean }) => facts.eligible,
      isZero: (_, facts: HashFacts) => facts.kind === 'zero',
      isShallow: (_, facts: HashFacts) => facts.kind === 'shallow',
      isUnmatched: (_, facts: HashFacts) => facts.kind === 'unmatched',
      isConfirmedAsBefore: (_, facts: HashFacts) => facts.kind === 'confirmed' && !facts.changed,
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
      /** The last thing before a key could be served. */
      assertServable: ({ context }) => {
        const confirmed = context.confirmedHash !== null && context.confirmedHash === context.chainHash;
        invariant(confirmed && context.syncKeyInstalled, 'ready without a confirmed secret and its sync key');
      },
      stopIfBroken: ({ event }) => {
        if ('error' in event && event.error instanceof InvariantError) throw event.error;
      },
      /** For an actor that ends only when something is broken. */
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
      noteMembership: assign((_, facts: MembershipFacts) => ({ block: facts.block, members: facts.members })),
      noteWithdrawn: assign((_, { shownInstead }: MembershipFacts) => ({
        chainHash: shownInstead === ZERO_HASH ? null : shownInstead,
        confirmedHash: null,
        syncKeyInstalled: false,
      })),
      noteUnconfirmed: assign((_, { facts }: { facts: HashFacts }) => ({
        chainHash: facts.kind === 'unmatched' ? facts.hash : null,
        confirmedHash: null,
        syncKeyInstalled: false,
      })),
      noteConfirmed: assign(({ context }, { facts }: { facts: HashFacts | SecretFacts }) => {
        if (facts.kind === 'confirmed') {
          const firstSnapshot = facts.claimedHere ? SNAPSHOT_COMPLETE : facts.changed ? SNAPSHOT_MISSING : context.firstSnapshot;
          return {
            chainHash: facts.hash,
            confirmedHash: facts.hash,
            firstSnapshot,
            syncKeyInstalled: context.syncKeyInstalled && !facts.changed,
          };
        }
        invariant(facts.kind === 'installed', 'only a confirmed or installed secret can be noted as confirmed');
        invariant(facts.hash === context.chainHash, 'a secret was installed that the chain does not show');
        return { confirmedHash: facts.hash, firstSnapshot: facts.changed ? SNAPSHOT_MISSING : context.firstSnapshot };
      }),
      /** A node that cannot vouch for what it holds any more asks for a snapshot again, and serves meanwhile. */
      noteSyncKey: assign(({ context }, { stale }: SyncKeyFacts) => ({
        syncKeyInstalled: true,
        firstSnapshot: stale && context.firstSnapshot.state === 'complete' ? SNAPSHOT_NONE : context.firstSnapshot,
      })),
      noteAsking: assign(({ context }) => ({ tick: { ...context.tick, askedAtMs: ports.clock.monotonicMs() } })),
      /** @param round null: the step hung or threw */
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

export type NodeSetup = ReturnType<typeof setupNode>;
