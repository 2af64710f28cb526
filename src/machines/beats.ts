/**
 * Two regions: one decides when the two jobs run, the other probes peers. Both use the injected clock. Any caller may also send
 * `node_tick` or `sync_tick`.
 */
import { raise, stateIn } from 'xstate';
import type { NodeSetup } from './setup.ts';

export function probingRegion(node: NodeSetup) {
  return node.createStateConfig({
    description: 'Figures about the peers for operators; nothing depends on it.',
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

/** Runs node_tick at once and then when it is due, and sync_tick after each interval and after a write. */
export function beatsRegion(node: NodeSetup) {
  return node.createStateConfig({
    description: 'When the jobs come.',
    type: 'parallel',
    states: {
      nodeBeat: {
        description: 'node_tick: at once, and then when it is due.',
        initial: 'due',
        states: {
          due: { entry: raise({ type: 'node_tick' }), always: 'running' },
          /** A tick that outlasts the beat causes one more node_tick, which is dropped. */
          running: { on: { 'tick.settled': 'resting' }, after: { nodeBeat: 'due' } },
          resting: { on: { 'tick.settled': { target: 'resting', reenter: true } }, after: { untilNextTick: 'due' } },
        },
      },
      syncBeat: {
        description: 'sync_tick after each interval.',
        initial: 'resting',
        states: {
          resting: {
            entry: 'stampSyncBeat',
            after: { syncInterval: { target: 'resting', reenter: true, actions: raise({ type: 'sync_tick' }) } },
          },
        },
      },
      nudgeBeat: {
        description: 'A write brings a sync_tick at once, or at the end of the time after the last one that a write brought.',
        initial: 'idle',
        states: {
          idle: { on: { 'record.written': { guard: 'nudges', target: 'nudged' } } },
          nudged: {
            entry: raise({ type: 'sync_tick', nudged: true }),
            initial: 'quiet',
            states: {
              quiet: { on: { 'record.written': 'owing' } },
              /** There were more writes: one sync_tick follows for all of them. */
              owing: { id: 'owing' },
            },
            after: { nudge: [{ guard: stateIn('#owing'), target: 'nudged', reenter: true }, { target: 'idle' }] },
          },
        },
      },
    },
  });
}
