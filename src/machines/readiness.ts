/**
 * Region readiness (protocol.md §10): may this node serve? It reacts to facts that node_tick raises, regardless of how they were found.
 * Only `node.prepared` leads to `ready`, which is the only state that handles sync_tick.
 */
import { sendTo } from 'xstate';
import { REASONS, reason, reasonLine, type Reason } from '../domain/reasons.ts';
import type { NodeSetup } from './setup.ts';

const explain = {
  type: 'explain' as const,
  params: ({ event }: { event: { reason: Reason } }) => ({ because: event.reason }),
};
/** Sets the reason when the chain has been unreadable for too long. The last failure becomes the detail of that reason. */
const explainStale = {
  type: 'explain' as const,
  params: ({ event }: { event: { reason: Reason } }) => ({ because: reason(REASONS.chainViewStale, reasonLine(event.reason)) }),
};
const explainInitializing = { type: 'explain' as const, params: { because: reason(REASONS.initializing) } };
const explainSnapshot = { type: 'explain' as const, params: { because: reason(REASONS.firstSnapshotMissing) } };
const explainNothing = { type: 'explain' as const, params: { because: null } };

export function readinessRegion(node: NodeSetup) {
  return node.createStateConfig({
    description: 'May this node serve?',
    // A visualiser shows the state of this region as the state of the node.
    meta: { headline: true },
    initial: 'ineligible',
    states: {
      ineligible: {
        description: 'This node is not an eligible member, or the membership cannot be read.',
        entry: 'stampState',
        on: {
          'self.ineligible': { actions: explain },
          'chain.unread': [{ guard: 'viewIsOutdated', actions: explainStale }, { actions: explain }],
          'self.eligible': { target: 'bootstrapping', actions: explainInitializing },
        },
      },
      bootstrapping: {
        description: 'The node is eligible. The chain hash is zero, not deep enough or unreadable, or a claim is under way.',
        entry: 'stampState',
        on: {
          'self.ineligible': { target: 'ineligible', actions: explain },
          'chain.unread': [
            { guard: 'viewIsOutdated', target: 'ineligible', actions: explainStale },
            { target: 'ineligible', actions: explain },
          ],
          'hash.unsettled': { actions: explain },
          'secret.pending': { target: 'syncing-secret', actions: explain },
          'snapshot.pending': { target: 'syncing-secret', actions: explainSnapshot },
          'secret.incomplete': { target: 'syncing-secret', actions: explain },
          'node.prepared': { target: 'ready', actions: explainNothing },
        },
      },
      'syncing-secret': {
        description: 'The chain shows a hash. The local secret does not match it, or the first snapshot is missing.',
        entry: 'stampState',
        on: {
          'self.ineligible': { target: 'ineligible', actions: explain },
          'chain.unread': [
            { guard: 'viewIsOutdated', target: 'ineligible', actions: explainStale },
            { target: 'ineligible', actions: explain },
          ],
          'hash.pending': { target: 'bootstrapping', actions: explain },
          'hash.unsettled': { target: 'bootstrapping', actions: explain },
          'snapshot.pending': { actions: explainSnapshot },
          'secret.incomplete': { actions: explain },
          'node.prepared': { target: 'ready', actions: explainNothing },
        },
      },
      ready: {
        description: 'Answers requests from apps. Only this state handles sync_tick and replicates.',
        entry: ['assertServable', 'stampState'],
        tags: 'serving',
        invoke: { src: 'replicate', id: 'replicate', onError: { actions: 'stopBroken' } },
        on: {
          sync_tick: { actions: ['countSyncTick', sendTo('replicate', ({ event }) => event)] },
          'self.ineligible': { target: 'ineligible', actions: explain },
          // A node_tick arrives when the view becomes too old, even while another one runs. The node does not wait for the next read.
          node_tick: { guard: 'viewIsOutdated', target: 'ineligible', actions: { type: 'explain', params: { because: reason(REASONS.chainViewStale) } } },
          // After a failed read, a ready node stays ready until its view is too old.
          'chain.unread': [
            { guard: 'viewIsOutdated', target: 'ineligible', actions: explainStale },
            { guard: 'failureEndsReady', target: 'ineligible', actions: explain },
          ],
          'hash.pending': { target: 'bootstrapping', actions: explain },
          'hash.unsettled': { target: 'bootstrapping', actions: explain },
          'secret.pending': { target: 'syncing-secret', actions: explain },
          'snapshot.pending': { target: 'syncing-secret', actions: explainSnapshot },
          'secret.incomplete': { target: 'syncing-secret', actions: explain },
        },
      },
    },
  });
}
