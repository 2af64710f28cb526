/**
 * A machine that is not a node, with every kind of element: nested and parallel states, delays, guards, actors, history and a final state.
 */
import { and, assign, fromPromise, not, raise, setup } from 'xstate';

export function trafficLight() {
  return setup({
    types: { events: {} as { type: 'power.cut' } | { type: 'power.back' } | { type: 'button' } | { type: 'removed' } },
    actors: { selfTest: fromPromise(async () => true), lamp: fromPromise(async () => true) },
    delays: { redFor: 30_000, amberFor: () => 3_000 },
    guards: { isDay: () => true, isBroken: () => false },
    actions: { switchOff: () => undefined, note: () => undefined },
  }).createMachine({
    id: 'light',
    initial: 'testing',
    on: { removed: '.gone' },
    states: {
      testing: {
        invoke: { src: 'selfTest', onDone: [{ guard: 'isDay', target: 'working' }, { target: 'dark' }], onError: { target: 'dark', actions: 'note' } },
        after: { 5_000: 'dark', 250: { actions: 'note' } },
      },
      working: {
        type: 'parallel',
        description: 'The cars and the walkers each see a signal.',
        tags: ['lit'],
        meta: { headline: true, depth: 2, text: 'on', list: [1], nothing: null },
        on: { 'power.cut': { target: 'dark', meta: { dropped: 'light', how: {} } } },
        onDone: 'gone',
        states: {
          cars: {
            initial: 'red',
            states: {
              red: { entry: ['note', raise({ type: 'button' })], exit: 'switchOff', after: { redFor: 'green', amberFor: 'green' } },
              green: { on: { button: [{ guard: and(['isDay', not('isBroken')]), target: 'red', reenter: true }, { actions: assign({}) }] } },
              memory: { type: 'history', history: 'deep' },
            },
          },
          walkers: {
            invoke: { src: 'lamp', id: 'walkersLamp', onError: { target: '#light.dark' } },
            initial: 'wait',
            states: { wait: { always: { guard: 'isDay', target: 'done' } }, done: { type: 'final' } },
          },
        },
      },
      dark: { on: { 'power.back': { target: 'working.cars.memory' }, '*': { guard: ({ event }) => event.type === 'button', actions: 'note' } } },
      gone: { type: 'final' },
    },
  });
}
