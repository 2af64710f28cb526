/**
 * A scrape shows every series of the table, from the start and in every state. The values come from the node and from its edges (HTTP
 * requests, RPC calls, calls to the enclave, sync).
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { ReplicationFigures } from '../../../src/domain/figures.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import type { Meter } from '../../../src/domain/meter.ts';
import { HOLDER_AGE_MS, NodeMetrics, secretHolders, type NodeFigures } from '../../../src/observe/metrics/node-metrics.ts';
import { READINESS_STATES } from '../../../src/domain/readiness.ts';
import { METRICS, PREFIX, type MetricRow } from '../../../src/observe/metrics/table.ts';

const NOW_MS = 1_000_000_000;
const PEER = `0x${'0b'.repeat(20)}` as Wallet;
const OTHER = `0x${'0c'.repeat(20)}` as Wallet;

function peer(wallet: Wallet, over: Partial<ReplicationFigures> = {}): ReplicationFigures {
  return {
    wallet,
    acknowledgedUpTo: 0,
    behindRecords: 0,
    behindBytes: 0,
    lastSuccessMs: NOW_MS,
    lastError: null,
    lastErrorMs: null,
    clockLeadMs: null,
    nextTryMs: null,
    waitingRetries: 0,
    refused: {},
    leftOut: {},
    ...over,
  };
}

const NODE: NodeFigures = {
  nowMs: NOW_MS,
  state: 'ready',
  secretState: 'synced',
  secretConfirmed: true,
  firstSnapshot: 'complete',
  members: 3,
  ticksDropped: 2,
  viewBlockMs: 999_000_000,
  peers: [peer(PEER, { behindRecords: 7, behindBytes: 700 }), peer(OTHER, { lastSuccessMs: null })],
  store: { bytes: 4_000, limitBytes: 8_000, keys: 5, tombstones: 6 },
  auditDropped: 9,
};

const PROCESS = { lagP99Seconds: 0.01, lagMaxSeconds: 0.02, cpuSeconds: 3, residentBytes: 4, heapBytes: 5, externalBytes: 6, startedSeconds: 7 };

let figures: NodeFigures | null;
let metrics: NodeMetrics;

beforeEach(() => {
  figures = NODE;
  metrics = new NodeMetrics({ version: '1.2.3', nodeVersion: '24.0.0' }, { figures: () => figures, process: () => PROCESS });
});

/** The samples of a scrape, by name and labels. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

describe('the table', () => {
  test.each(Object.entries(METRICS) as [string, MetricRow][])('names %s according to the rules of Prometheus', (name, row) => {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(name.endsWith('_total')).toBe(row.type === 'counter');
    const ending = { seconds: '_seconds', bytes: '_bytes', timestamp_seconds: '_seconds', count: '', flag: '' }[row.unit];
    expect(name.replace(/_total$/, '').endsWith(ending)).toBe(true);
    expect(row.help).toMatch(/^[A-Z0-9n].*\.$/);
    for (const labels of row.series === 'peers' ? [] : row.series) expect(labels).toHaveLength(row.labels.length);
  });
});

describe('a scrape', () => {
  test('has the same series in every state, even before there is a node', async () => {
    figures = null;
    const first = [...(await scrape()).keys()];
    for (const [name, row] of Object.entries(METRICS) as [string, MetricRow][]) {
      const own = first.filter((sample) => new RegExp(`^${PREFIX}${name}(?:_bucket|_sum|_count)?(?:\\{|$)`).test(sample));
      const each = row.type === 'histogram' ? row.buckets.length + 3 : 1;
      const series = row.series === 'peers' ? 0 : Math.max(row.series.length, name === 'build_info' ? 1 : 0);
      expect([name, own.length]).toEqual([name, series * each]);
    }
    for (const state of READINESS_STATES) {
      figures = { ...NODE, state, peers: [], secretConfirmed: false };
      happenAll(metrics);
      expect([...(await scrape()).keys()]).toEqual(first);
    }
  });

  test('shows the figures of the node', async () => {
    const samples = await scrape();
    expect(Object.fromEntries(samples)).toMatchObject({
      'nova_kms_readiness_state{state="ready"}': 1,
      'nova_kms_readiness_state{state="syncing-secret"}': 0,
      'nova_kms_secret_state{state="synced"}': 1,
      'nova_kms_secret_holders': 2,
      'nova_kms_members': 3,
      'nova_kms_first_snapshot_complete': 1,
      'nova_kms_build_info{version="1.2.3",node_version="24.0.0"}': 1,
      'nova_kms_node_ticks_dropped_total': 2,
      'nova_kms_chain_head_timestamp_seconds': 999_000,
      [`nova_kms_peer_pending_records{peer="${PEER}"}`]: 7,
      [`nova_kms_peer_pending_bytes{peer="${PEER}"}`]: 700,
      [`nova_kms_peer_last_acknowledged_timestamp_seconds{peer="${PEER}"}`]: 1_000_000,
      [`nova_kms_peer_last_acknowledged_timestamp_seconds{peer="${OTHER}"}`]: 0,
      'nova_kms_store_bytes': 4_000,
      'nova_kms_store_limit_bytes': 8_000,
      'nova_kms_store_keys': 5,
      'nova_kms_store_tombstones': 6,
      'nova_kms_audit_dropped_total': 9,
      'nova_kms_event_loop_lag_p99_seconds': 0.01,
      'nova_kms_process_cpu_seconds_total': 3,
      'nova_kms_process_start_time_seconds': 7,
    });
  });

  test('shows the counts of requests, calls and records, and a second scrape shows the same counts', async () => {
    happenAll(metrics);
    metrics.requestBegan();
    await scrape();
    expect(Object.fromEntries(await scrape())).toMatchObject({
      'nova_kms_http_requests_total{route="/kms/derive",method="POST",code="200"}': 1,
      'nova_kms_http_requests_total{route="none",method="other",code="499"}': 1,
      'nova_kms_http_requests_total{route="/sync",method="POST",code="other"}': 1,
      'nova_kms_http_request_duration_seconds_count{route="/kms/derive"}': 1,
      'nova_kms_http_request_duration_seconds_bucket{le="0.0025",route="/kms/derive"}': 1,
      'nova_kms_http_request_duration_seconds_bucket{le="0.001",route="/kms/derive"}': 0,
      'nova_kms_http_requests_in_flight': 1,
      'nova_kms_rpc_requests_total{method="eth_call",outcome="timeout"}': 1,
      'nova_kms_rpc_requests_total{method="other",outcome="ok"}': 1,
      'nova_kms_rpc_request_duration_seconds_count': 2,
      'nova_kms_enclave_request_duration_seconds_count{operation="sign",outcome="ok"}': 1,
      'nova_kms_enclave_request_duration_seconds_count{operation="sign",outcome="refused"}': 0,
      'nova_kms_enclave_request_duration_seconds_count{operation="sign",outcome="failed"}': 1,
      'nova_kms_sync_records_total{direction="in",outcome="merged"}': 1,
      'nova_kms_sync_records_total{direction="in",outcome="rejected"}': 1,
      'nova_kms_sync_records_total{direction="out",outcome="taken"}': 1,
      'nova_kms_sync_records_total{direction="out",outcome="rejected"}': 1,
      'nova_kms_sync_rejections_total{reason="store_full"}': 1,
      'nova_kms_sync_rejections_total{reason="other"}': 1,
      'nova_kms_faults_total{where="request"}': 1,
      'nova_kms_faults_total{where="peer"}': 1,
      'nova_kms_faults_total{where="other"}': 1,
      'nova_kms_node_tick_duration_seconds_count{outcome="ok"}': 1,
      'nova_kms_node_tick_duration_seconds_count{outcome="failed"}': 1,
      'nova_kms_node_tick_last_success_timestamp_seconds': 2,
    });
  });

  test('includes every request in its counts, even if many requests end between two scrapes', async () => {
    for (let round = 1; round <= 2; round += 1) {
      for (let asked = 0; asked < 700; asked += 1) {
        metrics.requestBegan();
        metrics.requestEnded({ route: '/status', method: 'GET', status: 200, durationMs: 4 });
      }
      const samples = await scrape();
      expect(samples.get('nova_kms_http_requests_total{route="/status",method="GET",code="200"}')).toBe(700 * round);
      expect(samples.get('nova_kms_http_request_duration_seconds_count{route="/status"}')).toBe(700 * round);
      expect(samples.get('nova_kms_http_request_duration_seconds_sum{route="/status"}')).toBeCloseTo(2.8 * round);
    }
  });

  test('omits a peer that is no longer a member', async () => {
    await scrape();
    figures = { ...NODE, peers: [peer(OTHER)] };
    const peers = [...(await scrape()).keys()].filter((sample) => sample.includes('peer="'));
    expect(peers).toHaveLength(3);
    expect(peers.filter((sample) => !sample.includes(OTHER))).toEqual([]);
  });
});

describe('the known holders of the secret', () => {
  test.each<readonly [string, boolean, readonly ReplicationFigures[], number]>([
    ['none while the secret is not confirmed', false, [peer(PEER)], 0],
    ['only this node when it has no peers', true, [], 1],
    ['this node and a peer that answers', true, [peer(PEER)], 2],
    ['only this node when the peer has never answered', true, [peer(PEER, { lastSuccessMs: null })], 1],
    ['only this node when the last call to the peer failed', true, [peer(PEER, { lastError: 'timeout' })], 1],
    ['this node and a peer whose last answer is just recent enough', true, [peer(PEER, { lastSuccessMs: NOW_MS - HOLDER_AGE_MS })], 2],
    ['only this node when the last answer from the peer is too old', true, [peer(PEER, { lastSuccessMs: NOW_MS - HOLDER_AGE_MS - 1 })], 1],
  ])('are %s', (_, secretConfirmed, peers, holders) => {
    expect(secretHolders({ secretConfirmed, peers, nowMs: NOW_MS })).toBe(holders);
  });
});

/** Records one event of each known kind, and events of unknown kinds. */
function happenAll(meter: Meter & Pick<NodeMetrics, 'tickEnded'>): void {
  for (const [route, method, status] of [['/kms/derive', 'POST', 200], ['none', 'other', null], ['/sync', 'POST', 418]] as const) {
    meter.requestBegan();
    meter.requestEnded({ route, method, status, durationMs: 2 });
  }
  meter.rpcEnded('eth_call', 'timeout', 5_000);
  meter.rpcEnded('eth_somethingNew', 'ok', 5);
  for (const outcome of ['ok', 'timeout', 'aborted'] as const) meter.enclaveEnded('sign', outcome, 1);
  meter.recordJudged({ kind: 'merged' });
  meter.recordJudged({ kind: 'rejected', why: 'store_full' });
  meter.recordPushed({ kind: 'taken' });
  meter.recordPushed({ kind: 'refused', reason: 'a reason of another node' });
  meter.faulted('the request POST /derive');
  meter.faulted('anti-entropy with a peer');
  meter.faulted('reading the members');
  meter.tickEnded({ startedAtMs: 1_000, durationMs: 1_000, outcome: 'ok' });
  meter.tickEnded({ startedAtMs: 3_000, durationMs: 10, outcome: 'chain view is stale' });
}
