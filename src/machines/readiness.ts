/**
 * Region readiness (protocol.md §10): may this node serve? It reacts to facts that node_tick raises and knows nothing of
 * how they were found. `ready` is entered by `node.prepared` alone and is the only state that handles sync_tick.
 */
import { sendTo } from 'xstate';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';
import type { NodeSetup } from './setup.ts';

const explain = {
  type: 'explain' as const,
  params: ({ event }: { event: { reason: Reason } }) => ({ because: event.reason }),
};
const explainInitializing = { type: 'explain' as const, params: { because: reason(REASONS.initializing) } };
const explainSnapshot = { type: 'explain' as const, params: { because: reason(REASONS.firstSnapshotMissing) } };
const explainNothing = { type: 'explain' as const, params: { because: null } };

export function readinessRegion(node: NodeSetup) {
  return node.createStateConfig({
    initial: 'ineligible',
    states: {
      /** Not, or not yet, an eligible member; or membership cannot be read. */
      ineligible: {
        entry: 'stampState',
        on: {
          'self.ineligible': { actions: explain },
          'self.eligible': { target: 'bootstrapping', actions: explainInitializing },
        },
      },
      /** Eligible; the chain hash is zero, being claimed, not deep enough or unreadable. */
      bootstrapping: {
        entry: 'stampState',
        on: {
          'self.ineligible': { target: 'ineligible', actions: explain },
          'hash.unsettled': { actions: explain },
          'secret.pending': { target: 'syncing-secret', actions: explain },
          'snapshot.pending': { target: 'syncing-secret', actions: explainSnapshot },
          'secret.incomplete': { target: 'syncing-secret', actions: explain },
          'node.prepared': { target: 'ready', actions: explainNothing },
        },
      },
      /** A hash is there; the local secret does not match it, or the first snapshot is missing. */
      'syncing-secret': {
        entry: 'stampState',
        on: {
          'self.ineligible': { target: 'ineligible', actions: explain },
          'hash.pending': { target: 'bootstrapping', actions: explain },
          'hash.unsettled': { target: 'bootstrapping', actions: explain },
          'snapshot.pending': { actions: explainSnapshot },
          'secret.incomplete': { actions: explain },
          'node.prepared': { target: 'ready', actions: explainNothing },
        },
      },
      /** Serves. The only state that knows sync_tick, and the only one in which anything is replicated. */
      ready: {
        entry: ['assertServable', 'stampState'],
        tags: 'serving',
        invoke: { src: 'replicate', id: 'replicate', onError: { actions: 'stopBroken' } },
        on: {
          sync_tick: { actions: ['countSyncTick', sendTo('replicate', ({ event }) => event)] },
          'self.ineligible': { target: 'ineligible', actions: explain },
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
