/** docs/metrics.md, made from the table of metrics. */
import { METRICS, PREFIX, type MetricRow, type Unit } from '../../src/observe/metrics/table.ts';

const UNIT_WORDS: Readonly<Record<Unit, string>> = {
  seconds: 'seconds',
  bytes: 'bytes',
  timestamp_seconds: 'Unix time in seconds',
  count: 'a count',
  flag: '0 or 1',
};

/** More values of a label are not listed. */
const MAX_LISTED = 12;

const HEAD = `# Metrics

A node shows its metrics in the text format of Prometheus, at \`GET /metrics\`:

- on the main port when \`METRICS_TOKEN_SHA256\` is set, to who sends \`Authorization: Bearer <token>\`. The variable holds the SHA-256 of
  the token in hex: \`printf %s "$TOKEN" | sha256sum\`;
- on \`127.0.0.1:METRICS_PORT\` without a token.

Both are off when unset, and then nothing of the metrics is loaded. \`deploy/prometheus\` has a configuration and alerts,
\`deploy/grafana\` dashboards, [operations](operations.md) what to do about each alert. No label names an app, a key or a caller. Every
series is there from the start; those with the label \`peer\` are of the current members, by wallet.

This page is made from \`src/observe/metrics/table.ts\` by \`npm run dashboards\`.
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
