/**
 * Region nodeTick: the steps of node_tick in the order of protocol.md §1, one actor each. Every way out of a step leads
 * to `settling` with a verdict, which readiness hears there. A step's limit leaves the state, which aborts its actor; a
 * late result is ignored. A node_tick that comes while another runs is counted and dropped.
 */
import { raise } from 'xstate';
import { invariant } from '../domain/errors.ts';
import { ZERO_HASH } from '../domain/ids.ts';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';
import { failureReason, timeoutReason, type ReadinessEvent, type TickContext, type Verdict } from './model.ts';
import type { NodeSetup } from './setup.ts';
import type { MembershipFacts } from './slots.ts';

const prepared: Verdict = { type: 'node.prepared' };
const ineligible = (because: Reason): Verdict => ({ type: 'self.ineligible', reason: because });
const unsettled = (because: Reason): Verdict => ({ type: 'hash.unsettled', reason: because });
const incomplete = (because: Reason): Verdict => ({ type: 'secret.incomplete', reason: because });

/** The `conclude` action with a verdict made from the event. */
function conclude<Event>(verdict: (args: { event: Event }) => Verdict) {
  return { type: 'conclude' as const, params: (args: { event: Event }) => ({ verdict: verdict(args) }) };
}

/** Leaves `ready` before the next step, which may take long. */
function withdrawn({ shownInstead }: MembershipFacts): ReadinessEvent {
  return shownInstead === ZERO_HASH
    ? { type: 'hash.pending', reason: reason(REASONS.awaitingHash) }
    : { type: 'secret.pending', reason: reason(REASONS.secretHashMismatch, 'asking the members') };
}

function verdictOf(tick: TickContext): Verdict {
  invariant(tick.verdict !== null, 'a node_tick settled without a verdict');
  return tick.verdict;
}

export function nodeTickRegion(node: NodeSetup) {
  return node.createStateConfig({
    description: 'The steps of node_tick, one after another.',
    // For a visualiser: from leaving `idle` until it is back, that is one node_tick, and what `shown.ts` calls so is how it ended.
    meta: { span: 'node_tick', outcome: 'last tick' },
    initial: 'idle',
    on: { node_tick: { actions: 'countDropped', meta: { dropped: 'node_tick' } } },
    states: {
      idle: { description: 'Until the next node_tick.', on: { node_tick: { target: 'refreshingMembership', actions: 'startTick' } } },

      refreshingMembership: {
        description: 'Step 1: membership and chain hash are read at one block.',
        invoke: {
          src: 'refreshMembership',
          id: 'refreshMembership',
          onDone: [
            // Whoever is not eligible does not come to step 3: what serves no more is noted here.
            {
              guard: { type: 'isWithdrawn', params: ({ event }) => event.output },
              target: 'checkingEligibility',
              actions: [
                { type: 'noteMembership', params: ({ event }) => event.output },
                { type: 'noteWithdrawn', params: ({ event }) => event.output },
                raise(({ event }) => withdrawn(event.output)),
                raise({ type: 'membership.refreshed' }),
              ],
            },
            {
              target: 'checkingEligibility',
              actions: [{ type: 'noteMembership', params: ({ event }) => event.output }, raise({ type: 'membership.refreshed' })],
            },
          ],
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => ineligible(failureReason(REASONS.peerCacheRefreshFailed, event.error))),
          },
        },
        after: {
          refreshingMembership: {
            target: 'settling',
            actions: conclude(() => ineligible(timeoutReason('refreshingMembership'))),
          },
        },
      },

      checkingEligibility: {
        description: 'Step 2: is the wallet and key of this enclave an eligible member?',
        invoke: {
          src: 'checkEligibility',
          id: 'checkEligibility',
          onDone: [
            {
              guard: { type: 'isEligible', params: ({ event }) => event.output },
              target: 'readingHash',
              actions: raise({ type: 'self.eligible' }),
            },
            {
              target: 'settling',
              actions: {
                type: 'conclude',
                params: ({ event }) => ({
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

      readingHash: {
        description: 'Step 3: the chain hash decides which way the tick goes on.',
        invoke: {
          src: 'readHash',
          id: 'readHash',
          onDone: [
            {
              guard: { type: 'isZero', params: ({ event }) => event.output },
              target: 'claimingHash',
              actions: [
                { type: 'noteUnconfirmed', params: ({ event }) => ({ facts: event.output }) },
                raise({ type: 'hash.pending', reason: reason(REASONS.awaitingHash) }),
              ],
            },
            {
              guard: { type: 'isShallow', params: ({ event }) => event.output },
              target: 'settling',
              actions: conclude(() => unsettled(reason(REASONS.hashNotDeepEnough))),
            },
            {
              guard: { type: 'isUnmatched', params: ({ event }) => event.output },
              target: 'fetchingSecret',
              actions: [
                { type: 'noteUnconfirmed', params: ({ event }) => ({ facts: event.output }) },
                raise({ type: 'secret.pending', reason: reason(REASONS.secretHashMismatch, 'asking the members') }),
              ],
            },
            {
              guard: { type: 'isConfirmedAsBefore', params: ({ event }) => event.output },
              target: 'installingSyncKey',
              actions: { type: 'noteConfirmed', params: ({ event }) => ({ facts: event.output }) },
            },
            // A secret that was kept is the chain's now: the store belongs to another, so nothing serves meanwhile.
            {
              target: 'installingSyncKey',
              actions: [
                { type: 'noteConfirmed', params: ({ event }) => ({ facts: event.output }) },
                raise({ type: 'snapshot.pending' }),
              ],
            },
          ],
          onError: {
            target: 'settling',
            actions: conclude(({ event }) => unsettled(failureReason(REASONS.cannotReadHash, event.error))),
          },
        },
        after: {
          readingHash: { target: 'settling', actions: conclude(() => unsettled(timeoutReason('readingHash'))) },
        },
      },

      claimingHash: {
        description: 'Step 3, zero: one try to claim. The node waits on, whatever became of it.',
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
        description: 'Step 4, the secret: members are asked for the one that the chain shows.',
        invoke: {
          src: 'fetchSecret',
          id: 'fetchSecret',
          onDone: [
            {
              guard: { type: 'isInstalled', params: ({ event }) => event.output },
              target: 'installingSyncKey',
              actions: { type: 'noteConfirmed', params: ({ event }) => ({ facts: event.output }) },
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
        description: 'Step 5: the key of what nodes say to each other is made of the secret.',
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
        description: 'Is a snapshot to be asked for?',
        always: [
          { guard: 'snapshotComplete', target: 'settling', actions: conclude(() => prepared) },
          {
            guard: 'snapshotMissing',
            target: 'fetchingSnapshot',
            actions: raise({ type: 'snapshot.pending' }),
          },
          { target: 'fetchingSnapshot' },
        ],
      },

      fetchingSnapshot: {
        description: 'Step 4, the snapshot: it needs the sync key. A node that went ready without one goes on asking.',
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
        description: 'May the node go ready with what was given?',
        always: [{ guard: 'snapshotMissing', target: 'settling' }, { target: 'settling', actions: conclude(() => prepared) }],
      },

      settling: {
        description: 'Step 6: readiness hears the verdict in the same step.',
        entry: ['settleTick', raise(({ context }) => verdictOf(context.tick)), raise({ type: 'tick.settled' })],
        always: 'idle',
      },
    },
  });
}
