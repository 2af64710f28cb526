/**
 * Every metric is on a dashboard or in an alert. Every metric name on a dashboard, in an alert or in the runbook exists. Every alert has
 * a paragraph in the runbook.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DASHBOARDS } from '../../../scripts/dashboards/panels.ts';
import { METRICS, PREFIX, type MetricRow } from '../../../src/observe/metrics/table.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const ALERTS = readFileSync(join(ROOT, 'deploy/prometheus/alerts.yaml'), 'utf8');
const RULE_TESTS = readFileSync(join(ROOT, 'deploy/prometheus/alerts.test.yaml'), 'utf8');
const RUNBOOK = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');

/** The name and the text of each alert rule. */
const RULES = ALERTS.split(/^ {6}- alert: /m).slice(1).map((text) => ({ name: text.split('\n', 1)[0]!, text }));
const QUERIES = DASHBOARDS.flatMap(({ rows }) => rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))));

/** The metric names in a text. A histogram may appear with its ending, such as `_bucket`. */
function namesIn(text: string): ReadonlySet<string> {
  return new Set(text.match(/\bnova_kms_\w+/g) ?? []);
}

function samplesOf(name: string, { type }: MetricRow): readonly string[] {
  const full = PREFIX + name;
  return type === 'histogram' ? [`${full}_bucket`, `${full}_count`, `${full}_sum`] : [full];
}

const TABLE = Object.entries(METRICS) as [string, MetricRow][];
const LOOKED_AT = namesIn([ALERTS, ...QUERIES].join('\n'));

describe('metrics', () => {
  test.each(TABLE)('are on a dashboard or in an alert: %s', (name, row) => {
    expect(samplesOf(name, row).some((sample) => LOOKED_AT.has(sample))).toBe(true);
  });

  test('exist if a dashboard, an alert or the runbook mentions them', () => {
    const known = new Set(TABLE.flatMap(([name, row]) => samplesOf(name, row)));
    expect([...LOOKED_AT].filter((name) => !known.has(name))).toEqual([]);
    expect([...namesIn(RUNBOOK)].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('alerts', () => {
  test('include all alerts that operators were promised', () => {
    const promised = ['TargetDown', 'NotReady', 'TooFewReady', 'SecretAtRisk', 'TickStalled', 'ChainStale', 'PeerLagging', 'StoreNearLimit', 'SlowRequests', 'AuditDropping', 'FinalRejections', 'FirstSnapshotNone'];
    expect(RULES.map(({ name }) => name)).toEqual(expect.arrayContaining(promised));
    expect(RULES.map(({ name }) => name)).toEqual(expect.arrayContaining(['RequestErrors', 'RpcErrors', 'EnclaveErrors', 'BrokenAssumption']));
  });

  test.each(RULES)('have a severity, a paragraph in the runbook and a test of their rule: $name', ({ name, text }) => {
    expect(text).toMatch(/severity: (?:critical|warning)/);
    expect(text).toContain(`runbook_url: docs/operations.md#${name.toLowerCase()}`);
    expect(RUNBOOK).toMatch(new RegExp(`^### ${name}\n\n\\S`, 'm'));
    expect(RULE_TESTS).toMatch(new RegExp(`alertname: ${name}\\n +exp_alerts:\\n +- exp_labels`));
  });
});
