/** What `nova-kms status` shows an operator: the report, its lines, the exit code, and the changes after which `--watch` prints again. */
import { describe, expect, test } from '@jest/globals';
import { parseStatus } from '../../../../src/cli/status/answer.ts';
import { changeKey, reportOf, type ClusterReport } from '../../../../src/cli/status/report.ts';
import { exitCodeOf } from '../../../../src/cli/status/status.ts';
import { openScreen } from '../../../../src/cli/status/screen.ts';
import { bytesText, durationText, statusLines } from '../../../../src/cli/status/text.ts';
import type { SurveyedNode } from '../../../../src/cli/status/survey.ts';
import type { Wallet } from '../../../../src/domain/ids.ts';

const NOW_MS = Date.UTC(2026, 10, 26, 12);
const HASH = `0x${'12'.repeat(32)}`;
const wallet = (name: string): Wallet => `0x${Buffer.from(name).toString('hex').padStart(40, '0')}` as Wallet;

interface Told {
  readonly state?: string;
  readonly reason?: string | null;
  readonly available?: boolean;
  readonly hash?: string | null;
  readonly peers?: readonly object[];
  readonly app?: number;
  readonly sureness?: object;
}

function answering(name: string, { state = 'ready', reason = null, available = state === 'ready', hash = HASH, peers = [], app = 49, sureness }: Told = {}): SurveyedNode {
  const body = {
    node: { service_available: available, tee_wallet: wallet(name) },
    readiness: { state, reason, since_ms: NOW_MS - 180_000, next_tick_in_ms: 4_200, last_tick: { outcome: 'ok' } },
    cluster: { kms_app_id: app, registry_address: '0xabcd', total_instances: 3, membership_block: 120, master_secret_hash: hash },
    replication: { peers },
    sureness,
    data_store: { total_keys: 12, total_bytes: 3_400 },
  };
  return { url: `http://${name}`, listedWallet: wallet(name), answer: parseStatus(body), silence: null };
}

const silent = (name: string, silence: string): SurveyedNode => ({ url: `http://${name}`, listedWallet: wallet(name), answer: null, silence });

function report(nodes: readonly SurveyedNode[], leftOut = 0): ClusterReport {
  const members = nodes.map(({ url, listedWallet }) => ({ url, wallet: listedWallet }));
  return reportOf({ takenAtMs: NOW_MS, nodes, members, leftOut });
}

const text = (given: ClusterReport) => statusLines(given, { colours: false, columns: null, rows: null }).join('\n');
const BEHIND = { wallet: wallet('b'), behind_by: { records: 3, bytes: 2_048 }, last_success_ms: 5, last_error: 'the peer cannot be reached', last_error_ms: 6, next_try_ms: 7 };

test('the lines show a ready node, a waiting node, an unreachable node and a peer that is behind', () => {
  const shown = text(report([answering('a', { peers: [BEHIND] }), silent('b', 'connection refused'), answering('c', { state: 'bootstrapping', reason: 'initializing', hash: null })]));
  expect(shown).toBe(`2026-11-26 12:00:00Z  1 of 3 nodes ready
KMS app 49, KMSRegistry 0xabcd
master secret hash ${HASH} (1 node)

node      state          since      next tick  members  block  keys  peers behind           reason
http://a  ready          3 min ago  in 4 s           3    120    12  1: 3 records, 2.0 KiB
http://b  unreachable    -          -                -      -     -  -                      connection refused
http://c  bootstrapping  3 min ago  in 4 s           3    120    12  0                      initializing

Peers that lack writes of a node, or do not answer it:
  http://a -> http://b: 3 records, 2.0 KiB; the peer cannot be reached`);
});

test('the lines show which ready nodes cannot yet say that a key is absent, and which members those nodes are waiting for', () => {
  const waiting = { sure: false, by: null, waits_for: [wallet('b'), wallet('gone')] };
  const shown = text(report([answering('a', { sureness: waiting }), answering('b', { sureness: { sure: true, waits_for: [] } }), answering('c', { state: 'syncing-secret', sureness: waiting })]));
  expect(shown).toMatch(/\n\nNodes that cannot yet say that a key is absent:\n {2}http:\/\/a waits for http:\/\/b, 0x\w+$/);
  expect(text(report([answering('b')]))).not.toContain('absent');
});

test('different secrets and different clusters are reported in capital letters', () => {
  const other = `0x${'34'.repeat(32)}`;
  const shown = text(report([answering('a'), answering('b', { hash: other, app: 7 }), answering('c')], 2));
  expect(shown).toContain('3 of 3 nodes ready, 2 not asked: give a larger --max-nodes\nDIFFERENT CLUSTERS:\nKMS app 49, KMSRegistry 0xabcd (2 nodes)\nKMS app 7');
  expect(shown).toContain(`DIFFERENT MASTER SECRETS:\nmaster secret hash ${HASH} (2 nodes)\nmaster secret hash ${other} (1 node)`);
});

describe('the state of a node', () => {
  const stateOf = (node: SurveyedNode) => report([node]).nodes.map(({ state, reason }) => [state, reason])[0];

  test.each<[string, Told, string, string | null]>([
    ['ready', {}, 'ready', null],
    ['waiting', { state: 'syncing-secret', reason: 'first snapshot missing' }, 'syncing-secret', 'first snapshot missing'],
    ['stopping', { available: false }, 'unready', 'it is stopping'],
  ])('is shown when the node is %s', (_name, told, state, reason) => expect(stateOf(answering('a', told))).toEqual([state, reason]));

  test('from another implementation is ready or unready', () => {
    const older = (available: boolean): SurveyedNode => ({ url: 'http://o', listedWallet: null, answer: parseStatus({ node: { service_available: available } }), silence: null });
    expect([stateOf(older(true)), stateOf(older(false))]).toEqual([['ready', null], ['unready', null]]);
    expect(text(report([older(true)]))).toMatch(/^http:\/\/o {2}ready +- +- +- +- +- +0$/m);
  });
});

test.each([
  ['is 0 when all nodes are ready with one secret', [answering('a'), answering('b')], 0],
  ['is 0 when a node of another implementation reports no hash', [answering('a'), answering('b', { hash: null })], 0],
  ['is 0 when a node of another implementation reports no cluster', [answering('a'), { ...answering('b'), answer: parseStatus({ node: { service_available: true } }) }], 0],
  ['is 3 when the clusters differ', [answering('a'), answering('b', { app: 7 })], 3],
  ['is 3 when the secrets differ', [answering('a'), answering('b', { hash: '0x1' })], 3],
  ['is 3 when a node is not ready', [answering('a'), answering('b', { state: 'bootstrapping' })], 3],
  ['is 3 when one node does not answer', [answering('a'), silent('b', 'no answer within 3 s')], 3],
  ['is 1 when no node answers', [silent('a', 'connection refused'), silent('b', 'connection refused')], 1],
] as const)('the exit code %s', (_name, nodes, code) => expect(exitCodeOf(report(nodes))).toBe(code));

test('the exit code is 3 when a node was not asked', () => expect(exitCodeOf(report([answering('a')], 1))).toBe(3));

test('a peer that had an error is shown as behind until it has recovered', () => {
  const peers = [{ ...BEHIND, behind_by: { records: 0, bytes: 0 }, last_success_ms: 9 }];
  expect(report([answering('a', { peers })]).nodes[0]!.peers_behind).toEqual([]);
  expect(report([answering('a', { peers: [{ ...peers[0], last_success_ms: null }] })]).nodes[0]!.peers_behind).toHaveLength(1);
});

describe('the key that shows whether a report has changed', () => {
  const before = report([answering('a'), answering('b')]);

  test('does not depend on figures that change all the time', () => {
    expect(changeKey({ ...before, taken_at_ms: 1, nodes: before.nodes.map((node) => ({ ...node, next_tick_in_ms: 1, membership_block: 121, keys: 13, since_ms: 0 })) })).toBe(changeKey(before));
  });

  test.each([
    ['the state of a node', [answering('a'), answering('b', { state: 'ineligible' })]],
    ['the reason of a node', [answering('a', { reason: 'else' }), answering('b')]],
    ['the secret of a node', [answering('a'), answering('b', { hash: '0x1' })]],
    ['the reachability of a node', [answering('a'), silent('b', 'connection refused')]],
    ['the number of peers that are behind', [answering('a', { peers: [BEHIND] }), answering('b')]],
    ['the app id of a node', [answering('a'), answering('b', { app: 50 })]],
    ['the list of members', [answering('a')]],
  ])('differs when %s changes', (_name, nodes) => expect(changeKey(report(nodes))).not.toBe(changeKey(before)));
});

describe('lines for a terminal', () => {
  const given = report([answering('a'), silent('b', 'connection refused'), answering('c', { state: 'bootstrapping' })]);

  test('are cut to the size of the terminal, and the last line shows how many lines were omitted', () => {
    const lines = statusLines(given, { colours: true, columns: 20, rows: 6 });
    expect(lines).toEqual(['2026-11-26 12:00:00Z', 'KMS app 49, KMSRegis', 'master secret hash 0', '', 'node      state     ', '.. 5 more lines']);
  });

  test('show the reasons below the nodes when there is no room beside them', () => {
    const lines = statusLines(given, { colours: false, columns: 84, rows: null });
    expect(lines.slice(4)).toEqual([
      'node      state          since      next tick  members  block  keys  peers behind',
      ...['http://a  ready          3 min ago  in 4 s           3    120    12             0', 'http://b  unreachable    -          -                -      -     -             -'],
      ...['http://c  bootstrapping  3 min ago  in 4 s           3    120    12             0', '', '  http://b: connection refused'],
    ]);
  });

  test('have colours only for the states, and the text is the same without colours', () => {
    const painted = statusLines(given, { colours: true, columns: null, rows: null }).join('\n');
    expect(painted).toContain('http://a  \u001b[32mready\u001b[39m ');
    expect(painted).toContain('http://b  \u001b[31munreachable\u001b[39m ');
    expect(painted).toContain('http://c  \u001b[33mbootstrapping\u001b[39m ');
     
    expect(painted.replace(/\u001b\[\d+m/g, '')).toBe(text(given));
    expect(text(given)).not.toContain('\u001b');
  });
});

describe('the screen of --watch', () => {
  function drawn(cursor: boolean): string {
    let written = '';
    const screen = openScreen({ write: (part) => (written += part), cursor });
    for (const lines of [['one', 'two'], ['three']]) screen.draw(lines);
    screen.end();
    screen.end();
    return written;
  }

  test('is redrawn in place on a terminal, and wide lines are not wrapped; when the screen ends, the terminal shows its old content again, followed by the last lines', () => {
    expect(drawn(true)).toBe('\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J\u001b[Hthree\u001b[K\u001b[J\u001b[?7h\u001b[?25h\u001b[?1049lthree\n');
  });

  test('is printed as a new block of lines each time if cursor moves are not allowed', () => expect(drawn(false)).toBe('one\ntwo\n\nthree\n'));

  test('prints nothing if it was never drawn', () => {
    let written = '';
    openScreen({ write: (part) => (written += part), cursor: true }).end();
    expect(written).toBe('');
  });
});

test.each([
  [-5_000, '0 s'],
  [4_499, '4 s'],
  [119_000, '119 s'],
  [120_000, '2 min'],
  [7_199_000, '119 min'],
  [7_200_000, '2 h'],
  [172_800_000, '2 d'],
])('%i ms is shown as %s', (ms, shown) => expect(durationText(ms)).toBe(shown));

test.each([
  [1_023, '1023 B'],
  [1_536, '1.5 KiB'],
  [5 * 1_024 ** 2, '5.0 MiB'],
])('%i bytes is shown as %s', (bytes, shown) => expect(bytesText(bytes)).toBe(shown));
