/**
 * `nova-kms audit` (docs/audit.md). A fetch saves only entries that continue the chain of hashes in the file. A verdict says whether a file
 * is good.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AuditVerifier } from '../../../../src/audit/verifier.ts';
import { AuditFileError, readAuditFile } from '../../../../src/cli/audit/audit-file.ts';
import { fetchAudit, FetchAuditError, MAX_PAGE_BYTES } from '../../../../src/cli/audit/fetch-audit.ts';
import { verdictLines, verdictOf } from '../../../../src/cli/audit/report.ts';
import { DependencyError } from '../../../../src/domain/errors.ts';
import type { Transport, TransportRequest } from '../../../../src/domain/ports.ts';
import { PeerTransport } from '../../../../src/net/peer-transport.ts';
import { systemClock } from '../../../../src/system/system.ts';
import { scriptedServer } from '../../../support/scripted-server.ts';
import { auditOf, derived, verify } from '../../audit/audit-of.ts';

const never = new AbortController().signal;

/** Fetches an audit log into a list in memory instead of a file. */
function reader(answer: (after: number) => { readonly status?: number; readonly body: string }) {
  const requests: TransportRequest[] = [];
  const transport: Transport = {
    request: async (request) => {
      requests.push(request);
      const { status = 200, body } = answer(Number(new URL(request.url).searchParams.get('after')));
      return { status, headers: {}, body: Buffer.from(body) };
    },
  };
  const held: unknown[] = [];
  const fetch = async (): Promise<number> => {
    const verifier = new AuditVerifier();
    for (const line of held) verifier.take(line);
    return fetchAudit({ url: 'https://node.test', token: 'a-token' }, { transport, verifier, keep: async (entries) => void held.push(...entries) }, never);
  };
  return { fetch, held, requests };
}

test('the first fetch gets all pages, and the next fetch gets only new entries', async () => {
  const { trail, checkpoint } = auditOf();
  const { fetch, held, requests } = reader((after) => ({ body: trail.page(after, 4) }));
  for (let number = 0; number < 8; number += 1) trail.record(derived(number));
  await checkpoint();
  expect(await fetch()).toBe(10);
  expect(requests.map(({ url }) => url)).toEqual([0, 4, 8].map((after) => `https://node.test/audit?after=${after}`));
  expect(requests[0]!.headers).toEqual({ authorization: 'Bearer a-token' });
  expect(await fetch()).toBe(0);
  trail.record(derived(9));
  await checkpoint();
  expect(await fetch()).toBe(2);
  expect(verify(held)).toMatchObject({ entries: 12, unsigned: 0, problems: [] });
});

test('a restarted node begins a new chain in the file', async () => {
  const before = auditOf();
  const after = auditOf(undefined, 'another start');
  let { trail } = before;
  const { fetch, held } = reader((from) => ({ body: trail.page(from, 4) }));
  for (let number = 0; number < 8; number += 1) before.trail.record(derived(number));
  await before.checkpoint();
  await fetch();
  ({ trail } = after);
  after.trail.record(derived(1));
  await after.checkpoint();
  expect(await fetch()).toBe(3);
  expect(verify(held)).toMatchObject({ chains: 2, entries: 13, problems: [] });
});

test('entries that do not continue the chain of hashes in the file are refused and not saved', async () => {
  const { trail } = auditOf();
  trail.record(derived(1));
  const { fetch, held } = reader((after) => ({ body: trail.page(after, 4).replace('"outcome":"ok"', '"outcome":"no"') }));
  await expect(fetch()).rejects.toMatchObject({ isForged: true, message: expect.stringContaining('the hash of entry 2 does not follow') });
  expect(held).toEqual([]);
});

test.each<[string, { readonly status?: number; readonly body: string }, string]>([
  ['401', { status: 401, body: '{}' }, 'the node refuses the token'],
  ['404', { status: 404, body: '{}' }, 'the node has no audit log: its AUDIT_TOKEN_SHA256 is not set'],
  ['503', { status: 503, body: '{}' }, 'the node answered with 503'],
  ['a body that is not a page', { body: '<html>' }, "the node's answer is not a page of an audit log"],
  ['an empty page that announces more entries', { body: '{"chain":"x","entries":[],"more":true}' }, 'the node says that there are more entries, but returns none'],
])('the fetch fails and reports the reason when the node answers with %s', async (_, answer, message) => {
  await expect(reader(() => answer).fetch()).rejects.toEqual(new FetchAuditError(message));
});

test('the fetch fails when a node announces more entries of another chain, but returns none', async () => {
  const { trail } = auditOf();
  trail.record(derived(1));
  let answers = 0;
  let page = (after: number): string => trail.page(after, 4);
  const { fetch } = reader((after) => {
    answers += 1;
    if (answers > 10) throw new Error('the fetch does not end');
    return { body: page(after) };
  });
  await fetch();
  page = () => '{"chain":"another","entries":[],"more":true}';
  await expect(fetch()).rejects.toEqual(new FetchAuditError('the node says that there are more entries, but returns none'));
});

test('the fetch fails and reports the reason when the node does not answer', async () => {
  const fails = reader(() => {
    throw new DependencyError('peer', 'unreachable', 'node.test refused the connection');
  });
  await expect(fails.fetch()).rejects.toEqual(new FetchAuditError('node.test refused the connection'));
});

test('the fetch fails when an answer is longer than the limit for a page, and the error contains the limit', async () => {
  const server = await scriptedServer((_, response) => {
    // This would be a valid page if the reader accepted that many bytes.
    response.end(`${' '.repeat(MAX_PAGE_BYTES)}{"chain":"x","entries":[],"more":false}`);
  });
  const transport = new PeerTransport({ inEnclave: false, proxy: { httpProxy: undefined, httpsProxy: undefined, noProxy: '' } }, { clock: systemClock });
  const fetching = fetchAudit({ url: server.url, token: 'a-token' }, { transport, verifier: new AuditVerifier(), keep: async () => undefined }, never);
  await expect(fetching).rejects.toEqual(new FetchAuditError(`the peer at 127.0.0.1:${server.port} gave an answer of more than ${MAX_PAGE_BYTES} bytes`));
  await transport.close();
  await server.close();
});

describe('an audit file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audit-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test.each<[string, string, readonly unknown[], boolean]>([
    ['whole lines', '{"a":1}\n{"b":2}\n', [{ a: 1 }, { b: 2 }], true],
    ['an incomplete last line', '{"a":1}\n{"b"', [{ a: 1 }, undefined], false],
    ['a last line without a line break', '{"a":1}', [{ a: 1 }], false],
    ['a line that is not JSON', 'x\n{"b":2}\n', [undefined, { b: 2 }], true],
    ['no lines', '', [], true],
  ])('with %s is read line by line, and the result tells whether it ends with a line break', async (_, text, lines, isWhole) => {
    const path = join(folder, 'audit.jsonl');
    await writeFile(path, text);
    const taken: unknown[] = [];
    expect(await readAuditFile(path, (line) => taken.push(line))).toBe(isWhole);
    expect(taken).toEqual(lines);
  });

  test('is refused if it is missing or has a line that is longer than the limit', async () => {
    await expect(readAuditFile(join(folder, 'absent'), () => undefined)).rejects.toMatchObject({ isAbsent: true, message: expect.stringMatching(/cannot be read: ENOENT$/) });
    const path = join(folder, 'long');
    await writeFile(path, 'x'.repeat(100_000));
    await expect(readAuditFile(path, () => undefined)).rejects.toBeInstanceOf(AuditFileError);
  });
});

describe('a verdict', () => {
  const good = { chains: 1, entries: 5, checkpoints: 1, wallets: [`0x${'ab'.repeat(20)}`], missing: 0, unsigned: 0, problems: [] };
  test.each<[string, Partial<typeof good> | { readonly problems: readonly { line: number; what: string }[] }, boolean, boolean]>([
    ['is good when there is no problem', {}, true, true],
    ['is bad when there is a problem', { problems: [{ line: 3, what: 'bad' }] }, false, false],
    ['is bad when there are no entries', { chains: 0, entries: 0 }, false, false],
    ['is good when entries are missing, unless a complete audit log is required', { missing: 2 }, true, false],
    ['is good when the last entries are not signed, unless a complete audit log is required', { unsigned: 2 }, true, false],
  ])('%s', (_, change, ok, completely) => {
    expect(verdictOf({ ...good, ...change }, false).ok).toBe(ok);
    expect(verdictOf({ ...good, ...change }, true).ok).toBe(completely);
  });

  test('is printed as lines of text', () => {
    expect(verdictLines(verdictOf({ ...good, problems: [{ line: 3, what: 'bad' }] }, false))).toEqual([
      'entries      5, in 1 chain: one for each start of the node',
      `checkpoints  1, signed by 0x${'ab'.repeat(20)}`,
      'missing      0, which the node had dropped before they were read',
      'unsigned     0, after the last checkpoint of their chain',
      'line 3: bad',
      'not verified',
    ]);
  });
});
