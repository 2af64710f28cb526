/** The development cluster learns the state of its nodes from the fields of their log lines, not from the messages. */
import { describe, expect, test } from '@jest/globals';
import { DevProgress } from '../../../../src/cli/dev/progress.ts';
import { READINESS_CHANGED } from '../../../../src/domain/readiness.ts';

const FACTS = { event: READINESS_CHANGED, state: 'bootstrapping', reason: 'initializing' };

function followed() {
  let nowMs = 1_000;
  const progress = new DevProgress({ monotonicMs: () => nowMs });
  progress.started('node-1');
  return { passMs: (ms: number) => void (nowMs += ms), take: (source: string, line: object | string) => progress.take({ source, text: typeof line === 'string' ? line : JSON.stringify(line) }) };
}

describe('a line about readiness', () => {
  test('is turned into the state, the reason, the time since the start and the time since the last change', () => {
    const { passMs, take } = followed();
    passMs(300);
    expect(take('node-1', { ...FACTS, room: 'readiness', message: 'readiness changed' })).toEqual({
      event: 'state',
      node: 'node-1',
      state: 'bootstrapping',
      reason: 'initializing',
      since_start_ms: 300,
      since_change_ms: 300,
    });
    passMs(50);
    expect(take('node-1', { ...FACTS, state: 'ready', reason: null })).toMatchObject({ state: 'ready', reason: null, since_start_ms: 350, since_change_ms: 50 });
  });

  test.each(['readiness changed', 'the node is in another state', ''])('is recognized by its fields, regardless of its message: %j', (message) => {
    expect(followed().take('node-1', { ...FACTS, room: 'machine', message })).toMatchObject({ state: 'bootstrapping' });
  });

  test.each<[string, string, object | string]>([
    ['from a node that was not started', 'node-2', FACTS],
    ['with the message but without the event', 'node-1', { ...FACTS, event: undefined, room: 'readiness', message: 'readiness changed' }],
    ['with an unknown state', 'node-1', { ...FACTS, state: 'asleep' }],
    ['that is not JSON', 'node-1', 'readiness changed'],
    ['that is cut off', 'node-1', '{"event":"readiness_changed","state":"rea'],
  ])('%s is ignored', (_, source, line) => expect(followed().take(source, line)).toBeNull());
});
