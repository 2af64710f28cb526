/**
 * A machine that is not a node: a traffic light with a region for pedestrians, delays, nested states, a guard, and a job that is shown as a
 * span. The values that it shows include a table and moments in time.
 */
import { assign, setup } from 'xstate';

export interface CrossingContext {
  readonly waiting: number;
  readonly cars: number;
}

export const crossing = setup({
  types: { context: {} as CrossingContext, events: {} as { type: 'press' } | { type: 'car' } | { type: 'power.lost' } | { type: 'power.back' } | { type: 'clean' } | { type: 'cleaned' } },
  delays: { clearance: 3_000 },
  guards: { somebodyWaits: ({ context }) => context.waiting > 0 },
  actions: {
    count: assign(({ context }) => ({ cars: context.cars + 1 })),
    wait: assign(({ context }) => ({ waiting: context.waiting + 1 })),
    go: assign(() => ({ waiting: 0 })),
  },
}).createMachine({
  id: 'crossing',
  type: 'parallel',
  context: { waiting: 0, cars: 0 },
  states: {
    light: {
      description: 'What drivers see.',
      meta: { headline: true },
      initial: 'red',
      on: { 'power.lost': '.blinking', car: { actions: 'count' } },
      states: {
        red: { description: 'Stop.', meta: { lamp: 'top' }, after: { 20_000: 'green' }, on: { press: { actions: 'wait' } } },
        green: {
          tags: 'flowing',
          initial: 'steady',
          states: { steady: { after: { 15_000: 'ending' } }, ending: { entry: 'go' } },
          on: { press: { guard: 'somebodyWaits', target: 'yellow' } },
          after: { 30_000: 'yellow' },
        },
        yellow: { after: { clearance: { target: 'red', actions: 'go' } } },
        blinking: { description: 'No power.', on: { 'power.back': 'red' } },
      },
    },
    walkers: {
      initial: 'standing',
      states: { standing: { on: { press: 'asking' } }, asking: { after: { 5_000: 'walking' } }, walking: { after: { 8_000: 'standing' } } },
    },
    cleaning: {
      meta: { span: 'clean', outcome: 'last clean' },
      initial: 'idle',
      on: { clean: { meta: { dropped: 'clean' } } },
      states: { idle: { on: { clean: 'sweeping' } }, sweeping: { on: { cleaned: 'rinsing' } }, rinsing: { on: { cleaned: 'idle' } } },
    },
  },
});
