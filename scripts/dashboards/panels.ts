/** The panels of the dashboards. `grafana.ts` turns them into Grafana's JSON. */

/** Grafana's names for units. */
export type PanelUnit = 'short' | 's' | 'bytes' | 'reqps' | 'percentunit' | 'dateTimeFromNow' | 'bool_yes_no';

export interface Query {
  readonly expr: string;
  /** A template for the name of each line, in Grafana's syntax: `{{instance}}` becomes the value of that label. */
  readonly legend: string;
}

export interface Panel {
  readonly kind: 'stat' | 'timeseries';
  readonly title: string;
  readonly unit: PanelUnit;
  readonly queries: readonly Query[];
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  /** Whether the reader of the dashboard chooses one instance. */
  readonly byInstance: boolean;
  readonly rows: readonly Row[];
}

const ALL = 'job="nova-kms"';
const ONE = 'job="nova-kms", instance=~"$instance"';
/** Seconds since a timestamp. A timestamp of 0 means that the event has never happened, so no line is drawn. */
const since = (selector: string): string => `time() - (${selector} > 0)`;
const rate = (selector: string): string => `rate(${selector}[$__rate_interval])`;

function stat(title: string, unit: PanelUnit, expr: string, legend = '{{instance}}'): Panel {
  return { kind: 'stat', title, unit, queries: [{ expr, legend }] };
}

function lines(title: string, unit: PanelUnit, ...queries: readonly (readonly [expr: string, legend: string])[]): Panel {
  return { kind: 'timeseries', title, unit, queries: queries.map(([expr, legend]) => ({ expr, legend })) };
}

function quantiles(title: string, metric: string, selector: string, by: string): Panel {
  const of = (quantile: number): string => `histogram_quantile(${quantile}, sum by (${by}, le) (${rate(`${metric}_bucket{${selector}}`)}))`;
  return lines(title, 's', [of(0.5), `p50 {{${by}}}`], [of(0.99), `p99 {{${by}}}`]);
}

const CLUSTER: Dashboard = {
  uid: 'nova-kms-cluster',
  title: 'Nova KMS: cluster',
  byInstance: false,
  rows: [
    {
      title: 'Availability',
      panels: [
        stat('Ready nodes', 'short', `sum(nova_kms_readiness_state{${ALL}, state="ready"})`, 'ready'),
        stat('Holders of the master secret', 'short', `max(nova_kms_secret_holders{${ALL}})`, 'holders'),
        stat('Members', 'short', `nova_kms_members{${ALL}}`),
        stat('Nodes that answer', 'short', `sum(up{${ALL}})`, 'up'),
        lines('State', 'short', [`nova_kms_readiness_state{${ALL}} == 1`, '{{instance}} {{state}}']),
        lines('Secret', 'short', [`nova_kms_secret_state{${ALL}} == 1`, '{{instance}} {{state}}']),
        stat('First snapshot complete', 'bool_yes_no', `nova_kms_first_snapshot_complete{${ALL}}`),
        stat('Versions', 'short', `count by (version, node_version) (nova_kms_build_info{${ALL}})`, '{{version}} on Node {{node_version}}'),
      ],
    },
    {
      title: 'Requests',
      panels: [
        lines('Requests by code', 'reqps', [`sum by (code) (${rate(`nova_kms_http_requests_total{${ALL}}`)}) > 0`, '{{code}}']),
        lines('Requests by node', 'reqps', [`sum by (instance) (${rate(`nova_kms_http_requests_total{${ALL}}`)})`, '{{instance}}']),
        quantiles('Duration of derive requests', 'nova_kms_http_request_duration_seconds', `${ALL}, route="/kms/derive"`, 'instance'),
        lines('Share of 5xx', 'percentunit', [
          `sum by (instance) (${rate(`nova_kms_http_requests_total{${ALL}, code=~"5.."}`)}) / sum by (instance) (${rate(`nova_kms_http_requests_total{${ALL}}`)})`,
          '{{instance}}',
        ]),
      ],
    },
    {
      title: 'Chain',
      panels: [
        lines('Age of the chain view', 's', [since(`nova_kms_chain_head_timestamp_seconds{${ALL}}`), '{{instance}}']),
        lines('Time since the last good node_tick', 's', [since(`nova_kms_node_tick_last_success_timestamp_seconds{${ALL}}`), '{{instance}}']),
      ],
    },
    {
      title: 'Replication and store',
      panels: [
        lines('Pending writes by peer', 'short', [`nova_kms_peer_pending_records{${ALL}}`, '{{instance}} to {{peer}}']),
        lines('Pending bytes by peer', 'bytes', [`nova_kms_peer_pending_bytes{${ALL}}`, '{{instance}} to {{peer}}']),
        lines('Keys', 'short', [`nova_kms_store_keys{${ALL}}`, '{{instance}}']),
        lines('Share of the store in use', 'percentunit', [`nova_kms_store_bytes{${ALL}} / nova_kms_store_limit_bytes{${ALL}}`, '{{instance}}']),
      ],
    },
  ],
};

const NODE: Dashboard = {
  uid: 'nova-kms-node',
  title: 'Nova KMS: node',
  byInstance: true,
  rows: [
    {
      title: 'State',
      panels: [
        lines('State', 'short', [`nova_kms_readiness_state{${ONE}} == 1`, '{{state}}']),
        lines('node_ticks', 'reqps', [rate(`nova_kms_node_tick_duration_seconds_count{${ONE}}`), '{{outcome}}'], [rate(`nova_kms_node_ticks_dropped_total{${ONE}}`), 'dropped']),
        quantiles('Duration of node_ticks', 'nova_kms_node_tick_duration_seconds', ONE, 'outcome'),
        stat('Started', 'dateTimeFromNow', `nova_kms_process_start_time_seconds{${ONE}} * 1000`),
      ],
    },
    {
      title: 'Requests',
      panels: [
        lines('Requests by route', 'reqps', [`sum by (route, method) (${rate(`nova_kms_http_requests_total{${ONE}}`)}) > 0`, '{{method}} {{route}}']),
        lines('Refusals and failures', 'reqps', [`sum by (route, code) (${rate(`nova_kms_http_requests_total{${ONE}, code!="200"}`)}) > 0`, '{{code}} {{route}}']),
        quantiles('Duration of requests', 'nova_kms_http_request_duration_seconds', ONE, 'route'),
        lines('Requests under way', 'short', [`nova_kms_http_requests_in_flight{${ONE}}`, '{{instance}}']),
      ],
    },
    {
      title: 'Enclave API and chain',
      panels: [
        quantiles('Duration of enclave API calls', 'nova_kms_enclave_request_duration_seconds', ONE, 'operation'),
        lines('Enclave API calls', 'reqps', [`sum by (operation, outcome) (${rate(`nova_kms_enclave_request_duration_seconds_count{${ONE}}`)}) > 0`, '{{operation}} {{outcome}}']),
        lines('Requests to the RPC', 'reqps', [`sum by (method, outcome) (${rate(`nova_kms_rpc_requests_total{${ONE}}`)}) > 0`, '{{method}} {{outcome}}']),
        quantiles('Duration of requests to the RPC', 'nova_kms_rpc_request_duration_seconds', ONE, 'instance'),
      ],
    },
    {
      title: 'Replication and store',
      panels: [
        lines('Records', 'reqps', [rate(`nova_kms_sync_records_total{${ONE}}`), '{{direction}} {{outcome}}']),
        lines('Rejections', 'reqps', [`${rate(`nova_kms_sync_rejections_total{${ONE}}`)} > 0`, '{{reason}}']),
        lines('Time since a peer answered', 's', [since(`nova_kms_peer_last_acknowledged_timestamp_seconds{${ONE}}`), '{{peer}}']),
        lines('Keys and tombstones', 'short', [`nova_kms_store_keys{${ONE}}`, 'keys'], [`nova_kms_store_tombstones{${ONE}}`, 'tombstones']),
      ],
    },
    {
      title: 'Process',
      panels: [
        lines('CPU', 'percentunit', [rate(`nova_kms_process_cpu_seconds_total{${ONE}}`), '{{instance}}']),
        lines('Memory', 'bytes', [`nova_kms_process_resident_memory_bytes{${ONE}}`, 'resident'], [`nova_kms_process_heap_bytes{${ONE}}`, 'heap'], [`nova_kms_process_external_memory_bytes{${ONE}}`, 'outside the heap']),
        lines('Event loop delay', 's', [`nova_kms_event_loop_lag_p99_seconds{${ONE}}`, 'p99'], [`nova_kms_event_loop_lag_max_seconds{${ONE}}`, 'longest']),
        lines('Faults and dropped audit entries', 'short', [`increase(nova_kms_faults_total{${ONE}}[$__rate_interval]) > 0`, 'fault: {{where}}'], [`increase(nova_kms_audit_dropped_total{${ONE}}[$__rate_interval])`, 'dropped']),
      ],
    },
  ],
};

export const DASHBOARDS: readonly Dashboard[] = [CLUSTER, NODE];
