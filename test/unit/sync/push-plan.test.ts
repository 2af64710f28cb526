/** What a push sends, and what the answers to it mean (protocol.md §10, Who sends what and Rejections). The plan has no side effects. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { OwnWrite, WireRecord } from '../../../src/domain/records.ts';
import { WriteLog, type LogEntry } from '../../../src/store/write-log.ts';
import { judgeDeltaAnswer, type DeltaBatch } from '../../../src/sync/delta-plan.ts';
import { PeerError } from '../../../src/sync/peer-error.ts';
import { Progress } from '../../../src/sync/progress.ts';
import { PushPlan, type PushEvent } from '../../../src/sync/push-plan.ts';

const APP = '7';
const BROKEN = new PeerError('refused', 'the peer answered 500', 500);
const AWAY = new PeerError('unreachable', 'the peer cannot be reached');

/** A node's own writes, with one entry per key, and the progress of one peer. */
class Writer {
  readonly log = new WriteLog<string>();
  readonly entries = new Map<string, LogEntry<string>>();
  readonly time = { unixMs: 1_000_000, monotonicMs: 0 };
  readonly progress = new Progress({ clock: { monotonicMs: () => this.time.monotonicMs }, random: { unit: () => 0 }, store: { writes: this.log } });
  sendAbove = 0;
  #last = 0;

  write(key: string): number {
    this.forget(key);
    this.#last += 1;
    this.entries.set(key, this.log.append(this.#last, key, 10 + key.length));
    return this.#last;
  }

  /** Makes the store forget its record of this key. */
  forget(key: string): void {
    const entry = this.entries.get(key);
    if (entry !== undefined) this.log.supersede(entry);
    this.entries.delete(key);
  }

  pass(ms: number): void {
    this.time.unixMs += ms;
    this.time.monotonicMs += ms;
  }

  recordOf(key: string): WireRecord | null {
    const entry = this.entries.get(key);
    return entry === undefined ? null : { key, value: null, version: { w: entry.sequenceNumber }, updated_at_ms: this.time.unixMs, tombstone: true, ttl_ms: 0 };
  }

  *writesAfter(above: number): Generator<OwnWrite> {
    for (const entry of this.log.after(above)) {
      const { sequenceNumber, bytes, what: key } = entry;
      yield { appId: APP, sequenceNumber, bytes, record: this.recordOf(key)!, isSuperseded: () => (entry as LogEntry<string>).what === null };
    }
  }

  plan(): PushPlan {
    const store = { writesAfter: (above: number) => this.writesAfter(above), recordOf: (_: string, key: string) => this.recordOf(key) };
    return new PushPlan({ progress: this.progress, store, sendAbove: () => this.sendAbove, now: () => this.time });
  }
}

const keysOf = (batch: DeltaBatch<OwnWrite>): readonly string[] => batch.entries.map(({ record }) => record.key);

function told(keys: readonly string[], reasonOf: (key: string) => string | null = () => null): object {
  const rejections = keys.filter((key) => reasonOf(key) !== null).map((key) => ({ app_id: APP, key, reason: reasonOf(key) }));
  return { total: keys.length, merged: keys.length - rejections.length, skipped: 0, rejected: rejections.length, rejections };
}

type Peer = (keys: readonly string[]) => object | PeerError;

/** Runs one push to its end, and returns what happened. */
function push(writer: Writer, peer: Peer = (keys) => told(keys)) {
  const plan = writer.plan();
  const sent: (readonly string[])[] = [];
  const events: PushEvent[] = [];
  for (let batch = plan.next(); batch !== null; batch = plan.next()) {
    sent.push(keysOf(batch));
    expect(sent.length).toBeLessThan(5_000);
    const reply = peer(keysOf(batch));
    events.push(...(reply instanceof PeerError ? plan.failed(reply) : plan.answered(judgeDeltaAnswer(batch.entries, reply)!)));
  }
  return { plan, sent, events: events.map((event) => `${event.kind} ${event.entry.record.key}`) };
}

describe('a push', () => {
  test('sends nothing when there are no writes', () => {
    const { plan, sent } = push(new Writer());
    expect([sent, plan.state.kind, plan.succeeded]).toEqual([[], 'over', false]);
  });

  test('sends the writes since the last push, and reports which of them the peer accepted', () => {
    const writer = new Writer();
    writer.write('a');
    const b = writer.write('b');
    expect(push(writer)).toMatchObject({ sent: [['a', 'b']], events: ['taken a', 'taken b'] });
    expect([writer.progress.acknowledgedSequence, writer.progress.behind]).toEqual([b, { records: 0, bytes: 0 }]);
    writer.write('c');
    expect(push(writer).sent).toEqual([['c']]);
  });

  test('of a stale node omits the writes that the node made before it was cut off', () => {
    const writer = new Writer();
    writer.sendAbove = writer.write('a');
    writer.write('b');
    expect(push(writer).sent).toEqual([['b']]);
  });

  test.each<[number, string, Peer, string]>([
    [0, 'is unreachable', () => AWAY, 'broken'],
    [0, 'fails on every request', () => BROKEN, 'broken'],
    [3, 'reports only counts, and not which records it accepted', () => ({ merged: 0 }), 'over'],
    [3, 'refuses all records permanently', (keys) => told(keys, () => 'malformed'), 'over'],
    [3, 'refuses all records for now', (keys) => told(keys, () => 'store_full'), 'over'],
    [3, 'fails on one of the records', (keys) => (keys.includes('b') ? BROKEN : told(keys)), 'over'],
  ])('of three records ends with the acknowledged sequence at %i if the peer %s', (acknowledged, _, peer, end) => {
    const writer = new Writer();
    for (const key of ['a', 'b', 'c']) writer.write(key);
    const { plan } = push(writer, peer);
    expect([writer.progress.acknowledgedSequence, plan.state.kind]).toEqual([acknowledged, end]);
  });
});

describe('a record that a peer refused for now', () => {
  test('is sent again, with growing pauses, until the peer accepts it', () => {
    const writer = new Writer();
    writer.write('a');
    const full: Peer = (keys) => told(keys, () => 'store_full');
    expect(push(writer, full).sent).toEqual([['a']]);
    for (const waitMs of [1_000, 2_000, 4_000]) {
      writer.pass(waitMs - 1);
      expect(push(writer, full).sent).toEqual([]);
      writer.pass(1);
      expect(push(writer, full).sent).toEqual([['a']]);
    }
    writer.pass(8_000);
    expect(push(writer)).toMatchObject({ sent: [['a']], events: ['taken a'] });
    expect([writer.progress.retries.size, writer.progress.hasBacklog]).toEqual([0, false]);
  });

  test('is not sent again when the store no longer has it', () => {
    const writer = new Writer();
    writer.write('a');
    push(writer, (keys) => told(keys, () => 'store_full'));
    writer.forget('a');
    writer.pass(1_000);
    expect(push(writer).sent).toEqual([]);
    expect(writer.progress.hasBacklog).toBe(false);
  });

  test('does not make a push fail, even if every such record fails again', () => {
    const writer = new Writer();
    for (let index = 0; index < 20; index += 1) writer.write(`bad${index}`);
    for (let index = 0; index < 20; index += 1) writer.write(`good${index}`);
    const peer: Peer = (keys) => (keys.some((key) => key.startsWith('bad')) ? BROKEN : told(keys));
    push(writer, peer);
    expect(writer.progress.retries.size).toBe(20);
    writer.pass(1_000);
    const { plan } = push(writer, peer);
    expect([plan.succeeded, writer.progress.retries.size]).toEqual([true, 20]);
    expect([...writer.progress.retries.all()].map(({ attempt }) => attempt)).toEqual(Array.from({ length: 20 }, () => 2));
  });

  test('is not sent again if the peer reports only counts and has answered a batch that contains the record', () => {
    const writer = new Writer();
    for (const key of ['a', 'b']) writer.write(key);
    push(writer, (keys) => (keys.includes('a') ? BROKEN : { merged: keys.length }));
    writer.pass(1_000);
    expect(push(writer, () => ({ merged: 0 })).sent).toEqual([['a']]);
    writer.pass(1_000);
    expect([push(writer, () => ({ merged: 0 })).sent, writer.progress.retries.size]).toEqual([[], 0]);
  });
});

describe('recently written records for a peer that reports only counts', () => {
  test('are sent once more, each of them 30 s after it was first sent', () => {
    const writer = new Writer();
    const counts: Peer = (keys) => ({ merged: keys.length });
    writer.write('a');
    push(writer, counts);
    writer.pass(10_000);
    writer.write('b');
    expect(push(writer, counts).sent).toEqual([['b']]);
    writer.pass(20_000);
    expect(push(writer, counts).sent).toEqual([['a']]);
    writer.pass(30_000);
    expect(push(writer, counts).sent).toEqual([['b']]);
    writer.pass(60_000);
    expect([push(writer, counts).sent, writer.progress.hasBacklog]).toEqual([[], false]);
  });
});

describe('a peer that loses its store in the middle of a push', () => {
  test('gets all records again immediately, and its earlier answers no longer matter', () => {
    const writer = new Writer();
    writer.write('a');
    push(writer);
    writer.write('b');
    let lost = false;
    const { sent, events } = push(writer, (keys) => {
      if (!lost) writer.progress.reset();
      lost = true;
      return told(keys);
    });
    expect([sent, events]).toEqual([[['b'], ['a', 'b']], ['taken a', 'taken b']]);
  });

  test('is treated as broken for now when each of its answers shows that it has lost its store again', () => {
    const writer = new Writer();
    writer.write('a');
    const { plan, sent, events } = push(writer, (keys) => {
      writer.progress.reset();
      return told(keys);
    });
    expect([plan.state, sent.length, events]).toMatchObject([{ kind: 'broken', failure: { failure: 'bad_answer' } }, 3, []]);
  });
});

test('a push to a peer that is forgotten during the push ends with the next answer, even if there are new writes', () => {
  const writer = new Writer();
  writer.write('a');
  const { plan, sent, events } = push(writer, (keys) => {
    writer.progress.close();
    writer.write('a');
    writer.write('b');
    return told(keys);
  });
  expect([plan.state, sent, events]).toEqual([{ kind: 'over' }, [['a']], []]);
});

test('for any sequence of writes and answers, a record is reported as accepted only if the peer has it, and in the end nothing is left to send', () => {
  const behaviour = fc.constantFrom('takes', 'away', 'breaks', 'full', 'refuses odd', 'fails at odd', 'counts', 'counts half', 'loses store');
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), key: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), key: fc.nat(40) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(40_000) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('push' as const), as: fc.array(behaviour, { minLength: 1, maxLength: 6 }) }) },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const writer = new Writer();
      const { progress } = writer;
      /** For each key, the sequence number of the record that the peer has. */
      let held = new Map<string, number>();
      const odd = (key: string): boolean => Number(key.slice(1)) % 2 === 1;
      const take = (keys: readonly string[]): void => {
        for (const key of keys) held.set(key, writer.entries.get(key)!.sequenceNumber);
      };
      const answer = (as: string, keys: readonly string[]): object | PeerError => {
        switch (as) {
          case 'away':
            return AWAY;
          case 'breaks':
            return BROKEN;
          case 'full':
            return told(keys, () => 'store_full');
          case 'refuses odd':
            take(keys.filter((key) => !odd(key)));
            return told(keys, (key) => (odd(key) ? 'store_full' : null));
          case 'fails at odd':
            if (keys.some(odd)) return BROKEN;
            break;
          case 'counts half':
            take(keys.filter((key) => !odd(key)));
            return { merged: keys.filter((key) => !odd(key)).length };
          case 'loses store':
            held = new Map();
            progress.reset();
            break;
          default:
        }
        take(keys);
        return as === 'counts' ? { merged: keys.length } : told(keys);
      };
      const pushAs = (as: readonly string[]): void => {
        let asked = 0;
        const plan = writer.plan();
        for (let batch = plan.next(); batch !== null; batch = plan.next()) {
          asked += 1;
          expect(asked).toBeLessThan(1_000);
          const before = progress.acknowledgedSequence;
          const { epoch } = progress;
          const reply = answer(as[Math.min(asked, as.length) - 1]!, keysOf(batch));
          const events = reply instanceof PeerError ? plan.failed(reply) : plan.answered(judgeDeltaAnswer(batch.entries, reply)!);
          for (const { kind, entry } of events) {
            if (kind === 'taken') expect(held.get(entry.record.key)).toBe(writer.entries.get(entry.record.key)!.sequenceNumber);
          }
          if (progress.epoch === epoch) expect(progress.acknowledgedSequence).toBeGreaterThanOrEqual(before);
          // The acknowledged sequence of the peer and its backlog match the log.
          const behind = [...writer.writesAfter(progress.acknowledgedSequence)];
          expect(progress.behind).toEqual({ records: behind.length, bytes: behind.reduce((sum, { bytes }) => sum + bytes, 0) });
          for (const [key, { sequenceNumber }] of writer.entries) {
            if (progress.hasTaken(sequenceNumber)) expect([key, held.get(key)]).toEqual([key, sequenceNumber]);
          }
        }
      };
      for (const step of actions) {
        if (step.do === 'write') writer.write(`k${step.key}`);
        else if (step.do === 'forget') writer.forget(`k${step.key}`);
        else if (step.do === 'pass') writer.pass(step.ms);
        else pushAs(step.as);
      }
      for (let time = 0; time < 4 && progress.hasBacklog; time += 1) {
        writer.pass(76_000);
        pushAs(['takes']);
      }
      expect(progress.hasBacklog).toBe(false);
      for (const [key, { sequenceNumber }] of writer.entries) {
        if (progress.hasTaken(sequenceNumber)) expect(held.get(key)).toBe(sequenceNumber);
      }
      // A record that the peer does not have is never reported as accepted.
      const lacking = [...writer.entries.values()].filter(({ what, sequenceNumber }) => held.get(what!) !== sequenceNumber);
      expect(lacking.filter(({ sequenceNumber }) => progress.hasTaken(sequenceNumber))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
