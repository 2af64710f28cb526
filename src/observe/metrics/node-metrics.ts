/**
 * The metrics of one node: what the edges tell is counted as it happens, what the node knows by itself is read when somebody
 * scrapes. Counting is a look into a map and an addition: requests pay for nothing else.
 */
import type { ReplicationFigures } from '../../domain/figures.ts';
import type { CallOutcome, Meter, MeteredRequest, PushVerdict } from '../../domain/meter.ts';
import type { Enclave } from '../../domain/ports.ts';
import type { FirstSnapshotState, LastTick, ReadinessState } from '../../domain/readiness.ts';
import type { MergeVerdict } from '../../domain/records.ts';
import type { ProcessFigures } from './process-figures.ts';
import { MetricRegistry, type CounterSeries, type HistogramSeries } from './registry.ts';
import { METRICS, NO_ANSWER, READINESS_STATES, REJECTION_REASONS, RPC_METHODS, SECRET_STATES, type CounterName, type HistogramName } from './table.ts';

/** A peer whose last answer is older is not counted as a holder of the secret. Milliseconds. */
export const HOLDER_AGE_MS = 600_000;

/** What a node knows of itself at one moment. Times are Unix milliseconds; null: never. */
export interface NodeFigures {
  readonly nowMs: number;
  readonly state: ReadinessState;
  readonly secretState: (typeof SECRET_STATES)[number];
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
  /** Of Node, without a `v`. */
  readonly nodeVersion: string;
}

export interface NodeMetricsModules {
  /** Null before there is a node. */
  readonly figures: () => NodeFigures | null;
  readonly process: () => ProcessFigures;
}

export class NodeMetrics implements Meter {
  readonly #registry = new MetricRegistry();
  readonly #modules: NodeMetricsModules;
  readonly #counters = new Map<string, CounterSeries>();
  readonly #histograms = new Map<string, HistogramSeries>();
  #inFlight = 0;

  constructor({ version, nodeVersion }: NodeMetricsOptions, modules: NodeMetricsModules) {
    this.#modules = modules;
    this.#registry.set('build_info', [version, nodeVersion], 1);
    for (const [name, row] of Object.entries(METRICS)) {
      for (const labels of row.series === 'peers' ? [] : (row.series as readonly (readonly string[])[])) {
        const key = keyOf(name, labels);
        if (row.type === 'counter') this.#counters.set(key, this.#registry.counter(name as CounterName, labels));
        if (row.type === 'histogram') this.#histograms.set(key, this.#registry.histogram(name as HistogramName, labels));
      }
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In the text format of Prometheus. */
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
    this.#count('http_requests_total', [route, method, status === null ? NO_ANSWER : String(status)], [route, method, 'other']);
    this.#observe('http_request_duration_seconds', [route], durationMs);
  }

  rpcEnded(method: string, outcome: CallOutcome, durationMs: number): void {
    this.#count('rpc_requests_total', [(RPC_METHODS as readonly string[]).includes(method) ? method : 'other', outcome]);
    this.#observe('rpc_request_duration_seconds', [], durationMs);
  }

  enclaveEnded(operation: keyof Enclave, outcome: CallOutcome, durationMs: number): void {
    if (outcome === 'aborted') return;
    const word = outcome === 'ok' || outcome === 'refused' ? outcome : 'failed';
    this.#observe('enclave_request_duration_seconds', [operation, word], durationMs);
  }

  recordJudged(verdict: MergeVerdict): void {
    this.#count('sync_records_total', ['in', verdict.kind]);
    if (verdict.kind === 'rejected') this.#countRejection(verdict.why);
  }

  recordPushed(verdict: PushVerdict): void {
    this.#count('sync_records_total', ['out', verdict.kind === 'taken' ? 'taken' : 'rejected']);
    if (verdict.kind === 'refused') this.#countRejection(verdict.reason);
  }

  faulted(where: string): void {
    this.#count('faults_total', [placeOf(where)]);
  }

  /** A node_tick has ended. */
  tickEnded({ startedAtMs, durationMs, outcome }: LastTick): void {
    const isOk = outcome === 'ok';
    this.#observe('node_tick_duration_seconds', [isOk ? 'ok' : 'failed'], durationMs);
    if (isOk) this.#registry.set('node_tick_last_success_timestamp_seconds', [], (startedAtMs + durationMs) / 1_000);
  }

  /** What a peer says is no label: only our own words are. */
  #countRejection(reason: string): void {
    this.#count('sync_rejections_total', [(REJECTION_REASONS as readonly string[]).includes(reason) ? reason : 'other']);
  }

  /** @param fallback the series of what the table does not list */
  #count(name: CounterName, labels: readonly string[], fallback?: readonly string[]): void {
    const series = this.#counters.get(keyOf(name, labels)) ?? (fallback === undefined ? undefined : this.#counters.get(keyOf(name, fallback)));
    series?.inc();
  }

  #observe(name: HistogramName, labels: readonly string[], durationMs: number): void {
    this.#histograms.get(keyOf(name, labels))?.observe(durationMs / 1_000);
  }

  #setNode(figures: NodeFigures): void {
    const registry = this.#registry;
    for (const state of READINESS_STATES) registry.set('readiness_state', [state], Number(state === figures.state));
    for (const state of SECRET_STATES) registry.set('secret_state', [state], Number(state === figures.secretState));
    registry.set('secret_holders', [], secretHolders(figures));
    registry.set('members', [], figures.members);
    registry.set('first_snapshot_complete', [], Number(figures.firstSnapshot === 'complete'));
    registry.setTotal('node_ticks_dropped_total', figures.ticksDropped);
    registry.set('chain_head_timestamp_seconds', [], (figures.viewBlockMs ?? 0) / 1_000);
    const byPeer = (valueOf: (peer: ReplicationFigures) => number) => new Map(figures.peers.map((peer) => [peer.wallet, valueOf(peer)]));
    registry.setPeers('peer_pending_records', byPeer(({ behindRecords }) => behindRecords));
    registry.setPeers('peer_pending_bytes', byPeer(({ behindBytes }) => behindBytes));
    registry.setPeers('peer_last_acknowledged_timestamp_seconds', byPeer(({ lastSuccessMs }) => (lastSuccessMs ?? 0) / 1_000));
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

/** A peer that answers under the sync key has the secret that it is derived from. */
export function secretHolders({ secretConfirmed, peers, nowMs }: Pick<NodeFigures, 'secretConfirmed' | 'peers' | 'nowMs'>): number {
  if (!secretConfirmed) return 0;
  const answering = peers.filter(({ lastSuccessMs, lastError }) => lastSuccessMs !== null && lastError === null && nowMs - lastSuccessMs <= HOLDER_AGE_MS);
  return 1 + answering.length;
}

/** The boundary that a fault was noted at (docs/decisions/0021), as its sentence begins. */
function placeOf(where: string): string {
  if (where.startsWith('the request')) return 'request';
  if (where.startsWith('the step')) return 'step';
  if (where.startsWith('the machine')) return 'machine';
  return where.includes('peer') ? 'peer' : 'other';
}

function keyOf(name: string, labels: readonly string[]): string {
  return labels.length === 0 ? name : `${name} ${labels.join(' ')}`;
}
