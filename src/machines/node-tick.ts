/**
 * Region nodeTick: the steps of node_tick in the order of protocol.md §1, one actor each. A step that ends the tick sets a verdict
 * and leads to `settling`, which passes the verdict to region readiness. When a step reaches its timeout, the machine leaves the step's
 * state, which aborts the step's actor; a late result is ignored. A node_tick that arrives while one is already running is counted and
 * dropped.
 */
import { or, raise, stateIn } from 'xstate';
import { invariant } from '../domain/errors.ts';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';
import { failureReason, timeoutReason, type TickContext, type Verdict } from './model.ts';
import type { NodeSetup } from './setup.ts';
import type { ChainFacts, ChainFailure, HashFacts } from './slots.ts';

const prepared: Verdict = { type: 'node.prepared' };
const stale = reason(REASONS.chainViewStale);
const unread = (because: Reason): Verdict => ({ type: 'chain.unread', reason: because });
const ineligible = (because: Reason): Verdict => ({ type: 'self.ineligible', reason: because });
const unsettled = (because: Reason): Verdict => ({ type: 'hash.unsettled', reason: because });
const incomplete = (because: Reason): Verdict => ({ type: 'secret.incomplete', reason: because });

/** Makes a `conclude` action. `verdict` turns the event into the verdict of the tick. */
function conclude<Event>(verdict: (args: { event: Event }) => Verdict) {
  return { type: 'conclude' as const, params: (args: { event: Event }) => ({ verdict: verdict(args) }) };
}

const hashIs = <Kind extends HashFacts['kind']>(kind: Kind) => ({ type: 'hashIs' as const, params: { kind } });

function failureOf(facts: ChainFacts | ChainFailure): Reason {
  invariant('failed' in facts, 'a good view of the chain was treated as a failed read');
  return facts.failed;
}

function verdictOf(tick: TickContext): Verdict {
  invariant(tick.verdict !== null, 'a node_tick settled without a verdict');
  return tick.verdict;
}

export function nodeTickRegion(node: NodeSetup) {
  // These facts make the node leave `ready` before a step that may take a long time.
  const awaitsHash = node.raise({ type: 'hash.pending', reason: reason(REASONS.awaitingHash) });
  const asksForSecret = node.raise({ type: 'secret.pending', reason: reason(REASONS.secretHashMismatch, 'asking the members') });
  const asksForSnapshot = node.raise({ type: 'snapshot.pending' });

  /** A node must not become ready with a view that has become too old while a step ran. */
  const endsWithOldView = { guard: 'viewIsOutdated', target: 'settling', actions: conclude(() => ineligible(stale)) } as const;
  /**
   * Replaces `endsWithOldView` after the check of eligibility. If the wall clock jumped ahead and then back, the view was too old only for
   * a while, but the node has already become ineligible. Only another tick can make it ready, so this tick must count as failed, and the
   * next tick comes early.
   */
  const endsWithViewOnceOld = { ...endsWithOldView, guard: or(['viewIsOutdated', stateIn({ readiness: 'ineligible' })]) } as const;

  return node.createStateConfig({
    description: 'Runs the steps of node_tick one after another.',
    // For a visualiser: one node_tick lasts from leaving `idle` until returning to it. Its outcome is the value `last tick` of `shown.ts`.
    meta: { span: 'node_tick', outcome: 'last tick' },
    initial: 'idle',
    on: { node_tick: { actions: 'countDropped', meta: { dropped: 'node_tick' } } },
    states: {
      idle: {
        description: 'Waits for the next node_tick.',
        on: { node_tick: { target: 'readingChain', actions: 'startTick' } },
      },

      readingChain: {
        description: 'Step 1: reads membership and chain hash at one block. All later steps use this reading.',
        invoke: {
          src: 'readChain',
          id: 'readChain',
          onDone: [
            {
              guard: { type: 'isView', params: ({ event }) => event.output },
              target: 'withdrawing',
              actions: [{ type: 'noteChain', params: ({ event }) => event.output }, raise({ type: 'membership.refreshed' })],
            },
            { target: 'settling', actions: conclude(({ event }) => unread(failureOf(event.output))) },
          ],
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => unread(failureReason(REASONS.peerCacheRefreshFailed, event.error))),
          },
        },
        after: {
          readingChain: { target: 'settling', actions: conclude(() => unread(timeoutReason('readingChain'))) },
        },
      },

      withdrawing: {
        description: "If the chain no longer shows the hash of this node's secret, the node stops being ready before any other step.",
        always: [
          // Even a successful read may show a chain that no longer produces blocks.
          endsWithOldView,
          { guard: hashIs('unset'), target: 'checkingEligibility', actions: awaitsHash },
          { guard: hashIs('wanted'), target: 'checkingEligibility', actions: asksForSecret },
          { guard: 'snapshotMissing', target: 'checkingEligibility', actions: asksForSnapshot },
          { target: 'checkingEligibility' },
        ],
      },

      checkingEligibility: {
        description: 'Step 2: do the wallet and the key of this enclave belong to an eligible member?',
        invoke: {
          src: 'checkEligibility',
          id: 'checkEligibility',
          onDone: [
            {
              guard: { type: 'isEligible', params: ({ event }) => event.output },
              target: 'judgingHash',
              actions: raise({ type: 'self.eligible' }),
            },
            {
              target: 'settling',
              actions: {
                type: 'conclude',
                params: ({ event }) => ({
                  // The guard above handles eligible nodes, but the types do not show that.
                  verdict: ineligible(event.output.eligible ? reason(REASONS.selfNotInNodeList) : event.output.reason),
                }),
              },
            },
          ],
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => ineligible(failureReason(REASONS.cannotReadLocalTeePubkey, event.error))),
          },
        },
        after: {
          checkingEligibility: {
            target: 'settling',
            actions: conclude(() => ineligible(timeoutReason('checkingEligibility'))),
          },
        },
      },

      judgingHash: {
        description: 'Step 3: decides what this tick does about the chain hash.',
        always: [
          { guard: hashIs('unset'), target: 'claimingHash', actions: awaitsHash },
          { guard: hashIs('shallow'), target: 'settling', actions: conclude(() => unsettled(reason(REASONS.hashNotDeepEnough))) },
          { guard: hashIs('wanted'), target: 'fetchingSecret', actions: asksForSecret },
          // A secret that was set aside may be confirmed again. Its store starts empty, so the node asks for a snapshot before it serves.
          { guard: 'snapshotMissing', target: 'installingSyncKey', actions: asksForSnapshot },
          { target: 'installingSyncKey' },
        ],
      },

      claimingHash: {
        description: 'Step 3, if the chain hash is zero: tries once to claim a hash. The node then waits, regardless of the outcome.',
        invoke: {
          src: 'claimHash',
          id: 'claimHash',
          onDone: {
            target: 'settling',
            actions: {
              type: 'conclude',
              params: ({ event }) => ({ verdict: unsettled(event.output.reason), progress: event.output.progress }),
            },
          },
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => unsettled(failureReason(REASONS.failedToSetHash, event.error))),
          },
        },
        after: {
          claimingHash: { target: 'settling', actions: conclude(() => unsettled(timeoutReason('claimingHash'))) },
        },
      },

      fetchingSecret: {
        description: 'Step 4, secret: asks members for the secret whose hash the chain shows.',
        invoke: {
          src: 'fetchSecret',
          id: 'fetchSecret',
          onDone: [
            {
              guard: { type: 'isInstalled', params: ({ event }) => event.output },
              target: 'installingSyncKey',
              actions: { type: 'noteInstalled', params: ({ event }) => event.output },
            },
            {
              target: 'settling',
              actions: {
                type: 'conclude',
                params: ({ event }) => ({
                  verdict: incomplete(
                    event.output.kind === 'failed' ? event.output.reason : reason(REASONS.secretSyncFailed),
                  ),
                }),
              },
            },
          ],
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => incomplete(failureReason(REASONS.secretSyncFailed, event.error))),
          },
        },
        after: {
          fetchingSecret: { target: 'settling', actions: conclude(() => incomplete(timeoutReason('fetchingSecret'))) },
        },
      },

      installingSyncKey: {
        description: 'Step 5: derives the key that authenticates messages between nodes.',
        invoke: {
          src: 'installSyncKey',
          id: 'installSyncKey',
          onDone: { target: 'judgingStore', actions: { type: 'noteSyncKey', params: ({ event }) => event.output } },
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => incomplete(failureReason(REASONS.secretSyncFailed, event.error))),
          },
        },
        after: {
          installingSyncKey: { target: 'settling', actions: conclude(() => incomplete(timeoutReason('installingSyncKey'))) },
        },
      },

      judgingStore: {
        description: 'Does this tick ask for a snapshot?',
        always: [
          endsWithViewOnceOld,
          { guard: 'snapshotComplete', target: 'settling', actions: conclude(() => prepared) },
          {
            guard: 'snapshotMissing',
            target: 'fetchingSnapshot',
            actions: asksForSnapshot,
          },
          { target: 'fetchingSnapshot' },
        ],
      },

      fetchingSnapshot: {
        description: 'Step 4, snapshot: asks members for a snapshot. It needs the sync key of step 5. A ready node without a snapshot asks too.',
        entry: 'noteAsking',
        invoke: {
          src: 'fetchSnapshot',
          id: 'fetchSnapshot',
          onDone: {
            target: 'judgingSnapshot',
            actions: [
              { type: 'noteSnapshot', params: ({ event }) => ({ round: event.output }) },
              conclude(() => incomplete(reason(REASONS.firstSnapshotMissing))),
            ],
          },
          onError: {
            target: 'judgingSnapshot',
            actions: [
              { type: 'noteSnapshot', params: { round: null } },
              conclude(({ event }) => incomplete(failureReason(REASONS.firstSnapshotMissing, event.error))),
            ],
          },
        },
        after: {
          fetchingSnapshot: {
            target: 'judgingSnapshot',
            actions: [
              { type: 'noteSnapshot', params: { round: null } },
              conclude(() => incomplete(timeoutReason('fetchingSnapshot'))),
            ],
          },
        },
      },
      judgingSnapshot: {
        description: 'May the node become ready with the records that the members sent?',
        always: [
          endsWithViewOnceOld,
          { guard: 'snapshotMissing', target: 'settling' },
          { target: 'settling', actions: conclude(() => prepared) },
        ],
      },

      settling: {
        description: 'Step 6: raises the verdict. Region readiness reacts to it immediately.',
        entry: ['settleTick', raise(({ context }) => verdictOf(context.tick)), raise({ type: 'tick.settled' })],
        always: 'idle',
      },
    },
  });
}
