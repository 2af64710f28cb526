/**
 * The metrics of one node. Requests, calls, records and faults are counted when they happen; the state of the node is read at each scrape.
 * Counting a request costs only a look-up in maps and an addition.
 */
import type { ReplicationFigures } from '../../domain/figures.ts';
import type { CallOutcome, Meter, MeteredRequest, PushVerdict } from '../../domain/meter.ts';
import type { Enclave } from '../../domain/ports.ts';
import { READINESS_STATES, SECRET_STATES, type FirstSnapshotState, type LastTick, type ReadinessState, type SecretState } from '../../domain/readiness.ts';
import type { MergeVerdict } from '../../domain/records.ts';
import type { ProcessFigures } from './process-figures.ts';
import { LabelTree } from './label-tree.ts';
import type { CounterSeries, HistogramSeries } from './counted-metric.ts';
import { MetricRegistry } from './registry.ts';
import { METRICS, NO_ANSWER, type CounterName, type HistogramName, type MetricName, type MetricRow } from './table.ts';

/** A peer whose last answer is older than this is not counted as a holder of the secret. Milliseconds. */
export const HOLDER_AGE_MS = 600_000;
const MS_PER_SECOND = 1_000;

/** The state of a node at one moment. Times are Unix milliseconds; null means never. */
export interface NodeFigures {
  readonly nowMs: number;
  readonly state: ReadinessState;
  readonly secretState: SecretState;
  readonly secretConfirmed: boolean;
  readonly firstSnapshot: FirstSnapshotState;
  readonly members: number;
  readonly ticksDropped: number;
  readonly viewBlockMs: number | null;
  readonly peers: readonly ReplicationFigures[];
  readonly store: { readonly bytes: number; readonly limitBytes: number; readonly keys: number; readonly tombstones: number };
  readonly auditDropped: number;
}

export interface NodeMetricsOptions {
  readonly version: string;
  /** The version of Node, without a `v`. */
  readonly nodeVersion: string;
}

export interface NodeMetricsModules {
  /** Returns null before the node exists. */
  readonly figures: () => NodeFigures | null;
  readonly process: () => ProcessFigures;
}

export class NodeMetrics implements Meter {
  readonly #registry = new MetricRegistry();
  readonly #modules: NodeMetricsModules;
  readonly #httpRequests = this.#counters('http_requests_total');
  readonly #httpDurations = this.#histograms('http_request_duration_seconds');
  readonly #rpcRequests = this.#counters('rpc_requests_total');
  readonly #rpcDurations = this.#histograms('rpc_request_duration_seconds');
  readonly #enclaveDurations = this.#histograms('enclave_request_duration_seconds');
  readonly #syncRecords = this.#counters('sync_records_total');
  readonly #syncRejections = this.#counters('sync_rejections_total');
  readonly #tickDurations = this.#histograms('node_tick_duration_seconds');
  readonly #faults = this.#counters('faults_total');
  #inFlight = 0;

  constructor({ version, nodeVersion }: NodeMetricsOptions, modules: NodeMetricsModules) {
    this.#modules = modules;
    this.#registry.set('build_info', [version, nodeVersion], 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @returns all metrics in the text format of Prometheus */
  async render(): Promise<string> {
    const figures = this.#modules.figures();
    if (figures !== null) this.#setNode(figures);
    this.#setProcess(this.#modules.process());
    this.#registry.set('http_requests_in_flight', [], this.#inFlight);
    return this.#registry.render();
  }

  requestBegan(): void {
    this.#inFlight += 1;
  }

  requestEnded({ route, method, status, durationMs }: MeteredRequest): void {
    this.#inFlight -= 1;
    const code = status === null ? NO_ANSWER : String(status);
    (this.#httpRequests.find(route, method, code) ?? this.#httpRequests.find(route, method, 'other'))?.inc();
    this.#httpDurations.find(route)?.observe(durationMs / MS_PER_SECOND);
  }

  rpcEnded(method: string, outcome: CallOutcome, durationMs: number): void {
    (this.#rpcRequests.find(method, outcome) ?? this.#rpcRequests.find('other', outcome))?.inc();
    this.#rpcDurations.find()?.observe(durationMs / MS_PER_SECOND);
  }

  enclaveEnded(operation: keyof Enclave, outcome: CallOutcome, durationMs: number): void {
    if (outcome === 'aborted') return;
    const word = outcome === 'ok' || outcome === 'refused' ? outcome : 'failed';
    this.#enclaveDurations.find(operation, word)?.observe(durationMs / MS_PER_SECOND);
  }

  recordJudged(verdict: MergeVerdict): void {
    this.#syncRecords.find('in', verdict.kind)?.inc();
    if (verdict.kind === 'rejected') this.#countRejection(verdict.why);
  }

  recordPushed(verdict: PushVerdict): void {
    this.#syncRecords.find('out', verdict.kind === 'taken' ? 'taken' : 'rejected')?.inc();
    if (verdict.kind === 'refused') this.#countRejection(verdict.reason);
  }

  faulted(where: string): void {
    this.#faults.find(placeOf(where))?.inc();
  }

  /** Called when a node_tick has ended. */
  tickEnded({ startedAtMs, durationMs, outcome }: LastTick): void {
    const isOk = outcome === 'ok';
    this.#tickDurations.find(isOk ? 'ok' : 'failed')?.observe(durationMs / MS_PER_SECOND);
    if (isOk) this.#registry.set('node_tick_last_success_timestamp_seconds', [], (startedAtMs + durationMs) / MS_PER_SECOND);
  }

  /** Only reasons that this node knows become labels. Any other reason from a peer is counted as `other`. */
  #countRejection(reason: string): void {
    (this.#syncRejections.find(reason) ?? this.#syncRejections.find('other'))?.inc();
  }

  #counters(name: CounterName): LabelTree<CounterSeries> {
    return treeOf(name, (labels) => this.#registry.counter(name, labels));
  }

  #histograms(name: HistogramName): LabelTree<HistogramSeries> {
    return treeOf(name, (labels) => this.#registry.histogram(name, labels));
  }

  #setNode(figures: NodeFigures): void {
    const registry = this.#registry;
    for (const state of READINESS_STATES) registry.set('readiness_state', [state], Number(state === figures.state));
    for (const state of SECRET_STATES) registry.set('secret_state', [state], Number(state === figures.secretState));
    registry.set('secret_holders', [], secretHolders(figures));
    registry.set('members', [], figures.members);
    registry.set('first_snapshot_complete', [], Number(figures.firstSnapshot === 'complete'));
    registry.setTotal('node_ticks_dropped_total', figures.ticksDropped);
    registry.set('chain_head_timestamp_seconds', [], (figures.viewBlockMs ?? 0) / MS_PER_SECOND);
    const byPeer = (valueOf: (peer: ReplicationFigures) => number) => new Map(figures.peers.map((peer) => [peer.wallet, valueOf(peer)]));
    registry.setPeers('peer_pending_records', byPeer(({ behindRecords }) => behindRecords));
    registry.setPeers('peer_pending_bytes', byPeer(({ behindBytes }) => behindBytes));
    registry.setPeers('peer_last_acknowledged_timestamp_seconds', byPeer(({ lastSuccessMs }) => (lastSuccessMs ?? 0) / MS_PER_SECOND));
    registry.set('store_bytes', [], figures.store.bytes);
    registry.set('store_limit_bytes', [], figures.store.limitBytes);
    registry.set('store_keys', [], figures.store.keys);
    registry.set('store_tombstones', [], figures.store.tombstones);
    registry.setTotal('audit_dropped_total', figures.auditDropped);
  }

  #setProcess(figures: ProcessFigures): void {
    const registry = this.#registry;
    registry.set('event_loop_lag_p99_seconds', [], figures.lagP99Seconds);
    registry.set('event_loop_lag_max_seconds', [], figures.lagMaxSeconds);
    registry.setTotal('process_cpu_seconds_total', figures.cpuSeconds);
    registry.set('process_resident_memory_bytes', [], figures.residentBytes);
    registry.set('process_heap_bytes', [], figures.heapBytes);
    registry.set('process_external_memory_bytes', [], figures.externalBytes);
    registry.set('process_start_time_seconds', [], figures.startedSeconds);
  }
}

/** The number of members known to hold the secret. A peer that uses the same sync key holds the secret from which that key is derived. */
export function secretHolders({ secretConfirmed, peers, nowMs }: Pick<NodeFigures, 'secretConfirmed' | 'peers' | 'nowMs'>): number {
  if (!secretConfirmed) return 0;
  const answering = peers.filter(({ lastSuccessMs, lastError }) => lastSuccessMs !== null && lastError === null && nowMs - lastSuccessMs <= HOLDER_AGE_MS);
  return 1 + answering.length;
}

/** The boundary that caught a fault (docs/decisions/0021), recognized from the words of `where`. */
function placeOf(where: string): string {
  if (where.startsWith('the request')) return 'request';
  if (where.startsWith('the step')) return 'step';
  if (where.startsWith('the machine')) return 'machine';
  return where.includes('peer') ? 'peer' : 'other';
}

/** Makes the series that the table lists for a metric. */
function treeOf<Series>(name: MetricName, make: (labels: readonly string[]) => Series): LabelTree<Series> {
  const tree = new LabelTree<Series>();
  const { series }: MetricRow = METRICS[name];
  for (const labels of series === 'peers' ? [] : series) tree.add(labels, make(labels));
  return tree;
}
