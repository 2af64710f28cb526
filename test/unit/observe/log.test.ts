/** A log line is a fixed sentence plus facts. It contains no bytes and no objects, so that no secret is logged (protocol.md §2). */
import { describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import type { LogFacts } from '../../../src/domain/ports.ts';
import { createLog } from '../../../src/observe/log.ts';

function startLog(level = 'DEBUG') {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString('utf8');
      done();
    },
  });
  const log = createLog({ level, stream }, { clock: { nowMs: () => 1_790_000_000_000 } });
  return { log, text: () => text, lines: () => text.trimEnd().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('a log line', () => {
  test('is one line of JSON with time, level, room, sentence and facts', () => {
    const { log, text } = startLog();
    log.child('sync').info('a peer answered', { peer: '0x1', status: 200, fresh: true, from: null, left: undefined });
    expect(text()).toBe(
      '{"time":"2026-09-21T14:13:20.000Z","level":"info","room":"sync","message":"a peer answered","peer":"0x1","status":200,"fresh":true,"from":null}\n',
    );
  });

  test('stays one line even if a fact contains line breaks', () => {
    const { log, lines } = startLog();
    log.warn('a peer said something', { said: 'a\nb\r\n{"level":"error"}\u2028' });
    expect(lines()).toEqual([expect.objectContaining({ level: 'warn', said: 'a\nb\r\n{"level":"error"}\u2028' })]);
  });

  test('drops bytes, objects and functions', () => {
    const { log, text } = startLog();
    const facts = { bytes: Buffer.alloc(4, 0xa7), array: new Uint8Array(4), nested: { key: 'deadbeef' }, list: ['deadbeef'], call: () => 'deadbeef', big: 5n };
    log.error('a secret was near', facts as unknown as LogFacts);
    expect(text()).not.toMatch(/167|a7a7|deadbeef|bytes|nested|list|call|big/);
    expect(text()).toContain('a secret was near');
  });

  test('truncates a long string', () => {
    const { log, lines } = startLog();
    log.info('a long text', { said: 'x'.repeat(10_000) });
    expect(lines()[0]!['said']).toBe('x'.repeat(512));
  });

  test('keeps its own sentence, level, room and time even if facts have the same names', () => {
    const { log, lines } = startLog();
    log.info('the sentence', { message: 'another', level: 'error', room: 'nowhere', time: 'never' });
    expect(lines()).toEqual([{ time: '2026-09-21T14:13:20.000Z', level: 'info', room: 'node', message: 'the sentence' }]);
  });

  test.each([
    ['DEBUG', ['debug', 'info', 'warn', 'error']],
    ['INFO', ['info', 'warn', 'error']],
    ['WARNING', ['warn', 'error']],
    ['ERROR', ['error']],
  ])('is written if its level is at least LOG_LEVEL=%s', (level, written) => {
    const { log, lines } = startLog(level);
    for (const write of ['debug', 'info', 'warn', 'error'] as const) log[write]('a sentence');
    expect(lines().map((line) => line['level'])).toEqual(written);
  });
});
