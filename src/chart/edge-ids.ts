/** Maps a transition, as XState passes it to inspectors, to the id of its edge in the machine's chart. */
import type { AnyStateMachine } from 'xstate';

interface StateNode {
  readonly id: string;
  readonly states: Readonly<Record<string, StateNode>>;
  readonly transitions: ReadonlyMap<string, readonly object[]>;
  readonly always?: readonly object[];
}

/** @param machine the running machine itself; a copy of it has different transition objects */
export function edgeIdsOf(machine: AnyStateMachine): ReadonlyMap<object, string> {
  const ids = new Map<object, string>();
  const note = (node: StateNode): void => {
    for (const [event, transitions] of [...node.transitions, ['', node.always ?? []] as const]) {
      for (const [index, transition] of transitions.entries()) ids.set(transition, `${node.id}|${event}|${index}`);
    }
    for (const child of Object.values(node.states)) note(child);
  };
  note(machine.root);
  return ids;
}
