/** A machine that is not a node: red, green and yellow, with a counter that may be shown and a secret that must not be shown. */
import { assign, setup } from 'xstate';

export const SECRET = 'the colour of the horse';

export const trafficLight = setup({
  types: {
    context: {} as { readonly turns: number; readonly secret: string },
    events: {} as { type: 'turn'; secret?: string } | { type: 'break' } | { type: 'mend' } | { type: 'note' },
  },
  actions: {
    count: assign(({ context }) => ({ turns: context.turns + 1 })),
    fail: () => {
      throw new Error(SECRET);
    },
  },
}).createMachine({
  id: 'light',
  context: { turns: 0, secret: SECRET },
  initial: 'red',
  on: { note: { actions: 'count' } },
  states: {
    red: { on: { turn: { target: 'green', actions: 'count' } } },
    green: { on: { turn: { target: 'yellow', actions: 'count' } } },
    yellow: { always: { guard: ({ context }) => context.turns >= 4, target: 'red' }, on: { turn: { target: 'red', actions: 'count' }, break: { actions: 'fail' } } },
  },
});
