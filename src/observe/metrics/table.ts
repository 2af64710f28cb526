/**
 * Every metric of a node, declared once: name, unit, help and labels. The registry, docs/metrics.md and the dashboards are made from this
 * table. A test checks that each metric is used by a dashboard or an alert. Names follow Prometheus: base units, and counters end with `_total`.
 *
 * Invariant: the series of a row are known from the start, or the row has one series for each current peer. No label contains an app, a key
 * or a caller.
 */
import { METERED_ROUTES } from '../../domain/meter.ts';
import { READINESS_STATES, SECRET_STATES } from '../../domain/readiness.ts';

export const PREFIX = 'nova_kms_';

export type Unit = 'seconds' | 'bytes' | 'timestamp_seconds' | 'count' | 'flag';

/** Label values of one series, in the order of the row's labels. */
type Series = readonly string[];

interface MetricBase {
  readonly unit: Unit;
  readonly help: string;
  readonly labels: readonly string[];
  /** All series of the metric; `peers` means one series for each peer. */
  readonly series: readonly Series[] | 'peers';
}

export type MetricRow =
  | (MetricBase & { readonly type: 'gauge' })
  | (MetricBase & { readonly type: 'counter' })
  /** `buckets`: the upper bounds of the buckets, in the unit of the metric. */
  | (MetricBase & { readonly type: 'histogram'; readonly buckets: readonly number[] });

/** The series of all combinations of the label values. */
function every(...values: readonly (readonly string[])[]): readonly Series[] {
  return values.reduce<readonly Series[]>((series, next) => series.flatMap((before) => next.map((value) => [...before, value])), [[]]);
}

const ALONE = { labels: [], series: [[]] } as const;
const PER_PEER = { labels: ['peer'], series: 'peers' } as const;

export const TICK_OUTCOMES = ['ok', 'failed'] as const;
export const CALL_OUTCOMES = ['ok', 'timeout', 'unreachable', 'refused', 'malformed', 'too_large', 'aborted'] as const;
const RPC_METHODS = [
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_gasPrice',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'eth_sendRawTransaction',
  'other',
] as const;
export const ENCLAVE_OUTCOMES = ['ok', 'refused', 'failed'] as const;
export const ENCLAVE_OPERATIONS = ['address', 'publicKey', 'random', 'sign', 'signTransaction', 'encrypt', 'decrypt'] as const;
const REJECTION_REASONS = ['malformed', 'bad_clock', 'too_large', 'too_short', 'does_not_decrypt', 'too_far_ahead', 'bad_app_id', 'store_full', 'other'] as const;
/** The boundaries that catch faults (docs/decisions/0021). */
export const FAULT_PLACES = ['request', 'step', 'peer', 'machine', 'other'] as const;

/** The code for a connection that ended before its answer, as in nginx. */
export const NO_ANSWER = '499';
const CODES = ['200', '400', '401', '403', '404', '413', '415', '429', NO_ANSWER, '500', '503', '504', '507', 'other'] as const;
const CODES_OF_OTHER_METHODS = ['200', '204', '400', '404', '405', '429', NO_ANSWER, '500', '503', 'other'] as const;

const ROUTES = Object.keys(METERED_ROUTES);
const HTTP_SERIES = Object.entries(METERED_ROUTES).flatMap(([route, methods]) => [
  ...every([route], methods, CODES),
  ...every([route], ['other'], CODES_OF_OTHER_METHODS),
]);

const CALL_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10];
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const TICK_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export const METRICS = {
  readiness_state: { type: 'gauge', unit: 'flag', help: '1 for the state that the node is in, 0 for the others.', labels: ['state'], series: every(READINESS_STATES) },
  secret_state: { type: 'gauge', unit: 'flag', help: 'State of the master secret on this node: uninitialized (there is none), generated (made here or set in the configuration) or synced (received from a member). 1 for the current state, 0 for the others.', labels: ['state'], series: every(SECRET_STATES) },
  secret_holders: { type: 'gauge', unit: 'count', help: 'Members that are known to hold the confirmed master secret: this node, and each member whose last answer came within 10 minutes and used the same sync key.', ...ALONE },
  members: { type: 'gauge', unit: 'count', help: 'Members of the cluster in the last good view of the chain.', ...ALONE },
  first_snapshot_complete: { type: 'gauge', unit: 'flag', help: '1 when the first snapshot is installed or not needed, 0 when it is missing or no member could send one.', ...ALONE },
  build_info: { type: 'gauge', unit: 'flag', help: 'Always 1; the labels give the version of the node and of its runtime.', labels: ['version', 'node_version'], series: [] },

  node_tick_duration_seconds: { type: 'histogram', unit: 'seconds', help: 'Duration of node_ticks, which read the chain and the members.', labels: ['outcome'], series: every(TICK_OUTCOMES), buckets: TICK_SECONDS },
  node_ticks_dropped_total: { type: 'counter', unit: 'count', help: 'node_ticks that were dropped because a node_tick was already running.', ...ALONE },
  node_tick_last_success_timestamp_seconds: { type: 'gauge', unit: 'timestamp_seconds', help: 'When a node_tick last ended with ok; 0 if none has.', ...ALONE },
  chain_head_timestamp_seconds: { type: 'gauge', unit: 'timestamp_seconds', help: 'Time of the block of the last good view of the chain; 0 before the first view.', ...ALONE },
  rpc_requests_total: { type: 'counter', unit: 'count', help: 'Requests to the RPC of the chain; each attempt is counted. ok is any readable answer, including a revert.', labels: ['method', 'outcome'], series: every(RPC_METHODS, CALL_OUTCOMES) },
  rpc_request_duration_seconds: { type: 'histogram', unit: 'seconds', help: 'Duration of each attempt of a request to the RPC of the chain.', ...ALONE, buckets: CALL_SECONDS },

  http_requests_total: { type: 'counter', unit: 'count', help: 'Requests by route, method and code of the answer; 499 means that the connection ended before the answer.', labels: ['route', 'method', 'code'], series: HTTP_SERIES },
  http_request_duration_seconds: { type: 'histogram', unit: 'seconds', help: "Time from the arrival of a request's headers until the answer was sent.", labels: ['route'], series: every(ROUTES), buckets: REQUEST_SECONDS },
  http_requests_in_flight: { type: 'gauge', unit: 'count', help: 'Requests that are being answered.', ...ALONE },
  enclave_request_duration_seconds: { type: 'histogram', unit: 'seconds', help: 'Duration of calls to the enclave API; refused means that the API refused the call. Aborted calls are not counted.', labels: ['operation', 'outcome'], series: every(ENCLAVE_OPERATIONS, ENCLAVE_OUTCOMES), buckets: CALL_SECONDS },

  peer_pending_records: { type: 'gauge', unit: 'count', help: 'Writes of this node that the peer does not have yet.', ...PER_PEER },
  peer_pending_bytes: { type: 'gauge', unit: 'bytes', help: 'Size of the writes of this node that were never sent to the peer.', ...PER_PEER },
  peer_last_acknowledged_timestamp_seconds: { type: 'gauge', unit: 'timestamp_seconds', help: 'When the peer last answered a push or a comparison of stores; 0 if it never has.', ...PER_PEER },
  sync_records_total: {
    type: 'counter',
    unit: 'count',
    help: 'Records that arrived from peers and were judged by this node (in), and writes of this node that a peer has taken or rejected (out).',
    labels: ['direction', 'outcome'],
    series: [...every(['in'], ['merged', 'skipped', 'rejected']), ...every(['out'], ['taken', 'rejected'])],
  },
  sync_rejections_total: { type: 'counter', unit: 'count', help: 'Rejected records by reason: records from peers that this node rejected, and writes of this node that a peer rejected permanently.', labels: ['reason'], series: every(REJECTION_REASONS) },

  store_bytes: { type: 'gauge', unit: 'bytes', help: 'Bytes that the store counts against MAX_STORE_BYTES.', ...ALONE },
  store_limit_bytes: { type: 'gauge', unit: 'bytes', help: 'MAX_STORE_BYTES.', ...ALONE },
  store_keys: { type: 'gauge', unit: 'count', help: 'Keys that are present.', ...ALONE },
  store_tombstones: { type: 'gauge', unit: 'count', help: 'Tombstones held.', ...ALONE },

  event_loop_lag_p99_seconds: { type: 'gauge', unit: 'seconds', help: 'Delay of the event loop since the last scrape, 99th percentile.', ...ALONE },
  event_loop_lag_max_seconds: { type: 'gauge', unit: 'seconds', help: 'Longest delay of the event loop since the last scrape.', ...ALONE },
  process_cpu_seconds_total: { type: 'counter', unit: 'seconds', help: 'Processor time of the process, user and system.', ...ALONE },
  process_resident_memory_bytes: { type: 'gauge', unit: 'bytes', help: 'Resident memory of the process.', ...ALONE },
  process_heap_bytes: { type: 'gauge', unit: 'bytes', help: 'Used part of the heap.', ...ALONE },
  process_external_memory_bytes: { type: 'gauge', unit: 'bytes', help: 'Memory outside the heap that objects in the heap hold, including buffers.', ...ALONE },
  process_start_time_seconds: { type: 'gauge', unit: 'timestamp_seconds', help: 'When the process started.', ...ALONE },
  faults_total: { type: 'counter', unit: 'count', help: 'Broken assumptions, by the boundary that caught them.', labels: ['where'], series: every(FAULT_PLACES) },
  audit_dropped_total: { type: 'counter', unit: 'count', help: 'Entries of the audit log that were dropped before they were read.', ...ALONE },
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof METRICS;
type NamesOf<Type extends MetricRow['type']> = { [Name in MetricName]: (typeof METRICS)[Name]['type'] extends Type ? Name : never }[MetricName];
export type GaugeName = NamesOf<'gauge'>;
export type CounterName = NamesOf<'counter'>;
export type HistogramName = NamesOf<'histogram'>;
