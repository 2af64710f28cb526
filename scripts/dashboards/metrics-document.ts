/** docs/metrics.md, generated from the table of metrics. */
import { METRICS, PREFIX, type MetricRow, type Unit } from '../../src/observe/metrics/table.ts';

const UNIT_WORDS: Readonly<Record<Unit, string>> = {
  seconds: 'seconds',
  bytes: 'bytes',
  timestamp_seconds: 'Unix time in seconds',
  count: 'a count',
  flag: '0 or 1',
};

/** Maximum number of values that the page lists for a label. */
const MAX_LISTED = 12;

const HEAD = `# Metrics

A node serves its metrics in the text format of Prometheus at \`GET /metrics\`:

- on the main port when \`METRICS_TOKEN_SHA256\` is set, to clients that send \`Authorization: Bearer <token>\`. The variable holds the
  SHA-256 of the token in hex: \`printf %s "$TOKEN" | sha256sum\`;
- on \`127.0.0.1:METRICS_PORT\` without a token.

Each of the two is off while its variable is unset. If both are off, the node loads no code for metrics.

\`deploy/prometheus\` has a configuration and alerts, \`deploy/grafana\` has dashboards, and the [runbook](operations.md#alerts) says what
to do about each alert. No label names an app, a key or a caller. Every series exists from the start. The label \`peer\` contains the
wallet of a current member.

\`npm run dashboards\` makes this page from \`src/observe/metrics/table.ts\`.
`;

export function metricsDocument(): string {
  const rows = (Object.entries(METRICS) as [string, MetricRow][]).map(
    ([name, row]) => `| \`${PREFIX}${name}\` | ${row.type} | ${UNIT_WORDS[row.unit]} | ${labelsOf(row)} | ${row.help} |`,
  );
  return `${HEAD}\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
}

function labelsOf({ labels, series }: MetricRow): string {
  return labels.map((label, place) => `\`${label}\`${series === 'peers' ? '' : valuesOf(series, place)}`).join('; ');
}

function valuesOf(series: readonly (readonly string[])[], place: number): string {
  const values = [...new Set(series.map((labels) => labels[place]!))];
  if (values.length === 0 || values.length > MAX_LISTED) return '';
  return `: ${values.join(', ')}`;
}
