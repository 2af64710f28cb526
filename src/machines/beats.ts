/**
 * Two regions of the machine: one decides when node_tick and sync_tick run, the other probes peers. Both use the injected clock. Any caller
 * may also send `node_tick` or `sync_tick`.
 */
import { raise, stateIn } from 'xstate';
import type { NodeSetup } from './setup.ts';

export function probingRegion(node: NodeSetup) {
  return node.createStateConfig({
    description: 'Collects figures about the peers for operators. Nothing else uses these figures.',
    initial: 'idle',
    states: {
      idle: { on: { 'membership.refreshed': { guard: 'probesPeers', target: 'probing' } } },
      probing: {
        invoke: {
          src: 'probePeers',
          id: 'probePeers',
          onDone: 'idle',
          onError: { target: 'idle', actions: 'stopIfBroken' },
        },
        after: { probeLimit: 'idle' },
      },
    },
  });
}

/** Runs node_tick immediately and then whenever it is due. Runs sync_tick after each interval and after a write. */
export function beatsRegion(node: NodeSetup) {
  return node.createStateConfig({
    description: 'Decides when the jobs run.',
    type: 'parallel',
    states: {
      nodeBeat: {
        description: 'Runs node_tick at the start, and then whenever it is due.',
        initial: 'due',
        states: {
          due: { entry: raise({ type: 'node_tick' }), always: 'running' },
          /**
           * While a node_tick lasts longer than its interval, another one is raised after each interval, and also when the view becomes
           * outdated. Region nodeTick drops it, but region readiness reacts to it: if the view is outdated, the node leaves `ready`.
           */
          running: { on: { 'tick.settled': 'resting' }, after: { nodeBeat: 'due' } },
          resting: { on: { 'tick.settled': { target: 'resting', reenter: true } }, after: { untilNextTick: 'due' } },
        },
      },
      syncBeat: {
        description: 'Runs sync_tick after each interval.',
        initial: 'resting',
        states: {
          resting: {
            entry: 'stampSyncBeat',
            after: { syncInterval: { target: 'resting', reenter: true, actions: raise({ type: 'sync_tick' }) } },
          },
        },
      },
      nudgeBeat: {
        description: 'Runs sync_tick immediately after a write, but at most once per nudge interval: later writes wait until the interval ends.',
        initial: 'idle',
        states: {
          idle: { on: { 'record.written': { guard: 'nudges', target: 'nudged' } } },
          nudged: {
            entry: raise({ type: 'sync_tick', nudged: true }),
            initial: 'quiet',
            states: {
              quiet: { on: { 'record.written': 'owing' } },
              /** More writes have arrived. At the end of the nudge interval, a single sync_tick follows for all of them. */
              owing: { id: 'owing' },
            },
            after: { nudge: [{ guard: stateIn('#owing'), target: 'nudged', reenter: true }, { target: 'idle' }] },
          },
        },
      },
    },
  });
}
