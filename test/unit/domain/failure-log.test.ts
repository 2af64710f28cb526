/** How a boundary logs and counts a failure (docs/decisions/0021). */
import { describe, expect, test } from '@jest/globals';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { LogFacts } from '../../../src/domain/ports.ts';
import { FailureLog } from '../../../src/domain/failure-log.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const unreachable = (endpoint = 'rpc.test:443'): DependencyError => new DependencyError('chain', 'unreachable', 'why', { endpoint, call: 'eth_call' });

function start() {
  const clock = new ManualClock();
  const log = collectingLog();
  return { clock, log, failures: new FailureLog({ clock }) };
}

describe('an expected failure', () => {
  test('is logged as a warning with its own facts and the facts of the boundary, and is not counted as a fault', () => {
    const { log, failures } = start();
    failures.note(log, 'the step readHash', unreachable(), { peer: '0xab' });
    expect(log.lines).toEqual([
      {
        level: 'warn',
        room: 'node',
        sentence: 'the step readHash failed',
        facts: { peer: '0xab', code: 'chain_unreachable', why: 'why', call: 'eth_call', endpoint: 'rpc.test:443' },
      },
    ]);
    expect(failures.faults()).toEqual({ count: 0, last: null });
  });

  test('that passes a second boundary is logged at both', () => {
    const { log, failures } = start();
    const error = unreachable();
    failures.note(log, 'a call to the chain RPC', error);
    failures.note(log, 'the step readHash', error);
    expect(log.lines.map(({ sentence }) => sentence)).toEqual(['a call to the chain RPC failed', 'the step readHash failed']);
  });

  test('that occurs again within a minute is only counted, and the next line contains the count', async () => {
    const { clock, log, failures } = start();
    for (let time = 0; time < 5; time += 1) failures.note(log, 'a call', unreachable());
    expect(log.lines).toHaveLength(1);
    await clock.advance(60_000);
    failures.note(log, 'a call', unreachable());
    expect(log.lines[1]?.facts).toMatchObject({ repeated: 4 });
  });

  test.each<[string, string, DependencyError, LogFacts]>([
    ['a different place', 'another call', unreachable(), {}],
    ['a different endpoint', 'a call', unreachable('other.test:1'), {}],
    ['a different peer', 'a call', unreachable(), { peer: '0xcd' }],
  ])('is not merged with a failure that has %s', (_, where, error, more) => {
    const { log, failures } = start();
    failures.note(log, 'a call', unreachable(), { peer: '0xab' });
    failures.note(log, where, error, more);
    expect(log.lines).toHaveLength(2);
  });
});

describe('a broken assumption', () => {
  test('is logged as an error with its frames, and counted', () => {
    const { clock, log, failures } = start();
    failures.note(log, 'the step readHash', new TypeError('secret text'));
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatchObject({ level: 'error', sentence: 'the step readHash failed: an assumption is broken', facts: { code: 'TypeError', stack: expect.stringContaining('failure-log.test.ts') as unknown } });
    expect(JSON.stringify(log.lines)).not.toContain('secret text');
    expect(failures.faults()).toEqual({ count: 1, last: { atMs: clock.nowMs(), where: 'the step readHash', code: 'TypeError' } });
  });

  test('that passes a second boundary is logged and counted only at the first', () => {
    const { log, failures } = start();
    const error = new TypeError('x');
    failures.note(log, 'a request', error);
    failures.note(log, 'the machine', error);
    expect(log.lines).toHaveLength(1);
    expect(failures.faults()).toMatchObject({ count: 1, last: { where: 'a request' } });
  });

  test('that occurs repeatedly is counted each time, but logged at most once a minute', () => {
    const { log, failures } = start();
    for (let time = 0; time < 100; time += 1) failures.note(log, 'a request', new TypeError('x'));
    expect(log.lines).toHaveLength(1);
    expect(failures.faults().count).toBe(100);
  });
});

test('the number of remembered failures is limited: the failure that was logged longest ago is dropped', () => {
  const { log, failures } = start();
  for (let place = 0; place < 300; place += 1) failures.note(log, 'a call', unreachable(`host-${place}:1`));
  failures.note(log, 'a call', unreachable('host-299:1'));
  expect(log.lines).toHaveLength(300);
  failures.note(log, 'a call', unreachable('host-0:1'));
  expect(log.lines).toHaveLength(301);
});
