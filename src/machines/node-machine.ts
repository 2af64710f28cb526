/**
 * The node as a state machine (protocol.md §1, §10). Four regions run side by side (`readiness.ts`, `node-tick.ts`, `beats.ts`):
 *
 *   readiness   may this node serve? It only reacts to facts.
 *   nodeTick    runs the six steps of node_tick, one actor each, and raises the facts.
 *   probing     collects figures about peers for operators; nothing else uses them.
 *   beats       decides when the jobs run.
 *
 * Invariants: only one node_tick runs at a time (a second one is counted and dropped). A step that fails, hangs or throws ends the current
 * tick, but the next tick still runs. Only `ready` handles sync_tick, and leaving `ready` aborts a push. Nothing here does I/O or holds
 * key bytes.
 */
import { initialContext, type NodeMachineOptions, type NodeMachinePorts } from './model.ts';
import { beatsRegion, probingRegion } from './beats.ts';
import { nodeTickRegion } from './node-tick.ts';
import { readinessRegion } from './readiness.ts';
import { setupNode } from './setup.ts';

export function createNodeMachine(options: NodeMachineOptions, ports: NodeMachinePorts) {
  const node = setupNode(options, ports);
  return node.createMachine({
    id: 'node',
    type: 'parallel',
    context: () => initialContext(ports),
    states: {
      readiness: readinessRegion(node),
      nodeTick: nodeTickRegion(node),
      probing: probingRegion(node),
      beats: beatsRegion(node),
    },
  });
}

export type NodeMachine = ReturnType<typeof createNodeMachine>;
