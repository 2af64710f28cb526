/**
 * Metrics and alerts as operators use them: a real Prometheus scrapes three nodes with the deployed configuration, while one of the
 * nodes is killed and started again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DASHBOARDS } from '../../scripts/dashboards/panels.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { systemClock } from '../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { findPrometheus, promtool, sayThatPrometheusIsMissing, startPrometheus, type PrometheusTools, type RunningPrometheus } from './support/prometheus.ts';
import { waitForStates } from './support/quick-blocks.ts';

const LOOK_EVERY_MS = 250;

const tools = findPrometheus();
if (tools === null) test('Prometheus is installed in CI; on other machines, its tests are skipped if it is missing', sayThatPrometheusIsMissing);
else testWith(tools);

function testWith(installed: PrometheusTools): void {
  describe('promtool', () => {
    test('accepts the alerts', async () => {
      expect(await promtool(installed, ['check', 'rules', 'alerts.yaml'])).toContain('SUCCESS: 16 rules found');
    });

    test('confirms that each alert fires when it must, and not earlier', async () => {
      expect(await promtool(installed, ['test', 'rules', 'alerts.test.yaml'])).toContain('SUCCESS');
    });

    test('accepts the configuration', async () => {
      expect(await promtool(installed, ['check', 'config', '--syntax-only', 'prometheus.yml'])).toContain('SUCCESS');
    });

    test('reports a faulty rule', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'nova-kms-rules-'));
      await writeFile(join(folder, 'alerts.yaml'), 'groups: [{ name: nova-kms, rules: [{ alert: NotReady, expr: "up ==" }] }]\n');
      await expect(promtool(installed, ['check', 'rules', join(folder, 'alerts.yaml')])).rejects.toThrow();
      await rm(folder, { recursive: true });
    });
  });

  describe('three nodes', () => {
    const token = randomBytes(24).toString('base64url');
    const closers: (() => Promise<void>)[] = [];
    let cluster: Cluster;
    let app: DevApp;
    let prometheus: RunningPrometheus;
    /** The series of a node that has just started. */
    let firstSeries: readonly string[];

    beforeAll(async () => {
      cluster = await startCluster({
        nodes: 3,
        tickSeconds: 2,
        blockTimeSeconds: 1,
        environment: { METRICS_TOKEN_SHA256: createHash('sha256').update(token).digest('hex'), DATA_SYNC_INTERVAL_SECONDS: '1' },
        plans: [{}, {}, { start: false }],
        prepare: async (preparing) => {
          app = await preparing.createApp();
        },
      });
      closers.push(() => cluster.close());
      firstSeries = seriesIn(await scrape(cluster.node(1)));
      await cluster.node(3).start();
      prometheus = await startPrometheus(installed, { targets: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`), token });
      closers.push(() => prometheus.stop());
      await waitForStates(cluster, cluster.nodes, 'ready');
    });

    afterAll(async () => {
      for (const close of closers.reverse()) await close();
    });

    async function scrape(node: ClusterNode): Promise<string> {
      const answer = await fetch(`${node.localUrl}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      expect(answer.status).toBe(200);
      return answer.text();
    }

    /** @returns milliseconds until the condition was true, for the printed report */
    async function waitForAlerts(what: string, holds: (firing: ReadonlySet<string>) => boolean): Promise<number> {
      const fromMs = systemClock.nowMs();
      await waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
        const firing = (await prometheus.alerts()).filter(({ state }) => state === 'firing').map(({ name, labels }) => `${name} ${labels['peer'] ?? labels['instance'] ?? ''}`.trim());
        return holds(new Set(firing)) ? null : `firing: ${firing.join(', ') || 'none'}`;
      });
      return systemClock.nowMs() - fromMs;
    }

    test('are all scraped with the token, in a format that promtool accepts', async () => {
      await waitUntil({ what: 'three targets that answer', timeoutMs: WAIT_TIMEOUT_MS }, async () => ((await prometheus.healthyTargets()) === 3 ? null : `${await prometheus.healthyTargets()} answer`));
      for (const node of cluster.nodes) expect(await promtool(installed, ['check', 'metrics'], await scrape(node))).toBe('');
    });

    test('have the same series from the start, apart from the series about peers', async () => {
      await app.client.derive({ path: 'metrics' });
      const [withPeers, withoutPeers] = [true, false].map((own) => (series: readonly string[]) => series.filter((name) => name.includes('peer="') === own));
      const now = seriesIn(await scrape(cluster.node(1)));
      expect(withoutPeers!(now)).toEqual(withoutPeers!(firstSeries));
      const peers = [cluster.node(2), cluster.node(3)].map(({ wallet }) => wallet).sort();
      expect([...new Set(withPeers!(now).map((name) => /peer="(\w+)"/.exec(name)![1]!))].sort()).toEqual(peers);
    });

    test('cause no alert after all nodes have become ready, except rate alerts, which also cover the minutes before that', async () => {
      const ofRates = /^(?:\w+Errors|SlowRequests) /;
      await waitForAlerts('no alert', (firing) => [...firing].every((name) => ofRates.test(name)));
    });

    test('provide data for every query of the dashboards', async () => {
      const queries = DASHBOARDS.flatMap(({ rows }) => rows.flatMap(({ panels }) => panels.flatMap((panel) => panel.queries)));
      // A rate needs two scrapes. How long they take depends on the machine.
      await waitUntil({ what: 'an answer to every query', timeoutMs: WAIT_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
        const found = await Promise.all(queries.map(async ({ expr }) => prometheus.query(expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'))));
        // Queries that end in "> 0" may have no result.
        const empty = queries.filter(({ expr }, at) => found[at] === 0 && !/> 0$/.test(expr)).map(({ expr }) => expr);
        return empty.length === 0 ? null : `no data for ${empty.join('; ')}`;
      });
    });

    test('make NotReady and PeerLagging fire when one node is killed; these alerts stop firing when that node is back', async () => {
      const killed = cluster.node(3);
      const [down, notReady, lagging] = [`TargetDown 127.0.0.1:${killed.port}`, `NotReady 127.0.0.1:${killed.port}`, `PeerLagging ${killed.wallet}`];
      await killed.kill();
      await app.client.put({ key: 'while one is down', value: Buffer.from('value') }, { node: cluster.node(1).wallet });
      const firedMs = await waitForAlerts('the alerts about the killed node', (firing) => [down, notReady, lagging].every((name) => firing.has(name)));
      await killed.start();
      const resolvedMs = await waitForAlerts('the end of the alerts', (firing) => [down, notReady, lagging].every((name) => !firing.has(name)));
      process.stderr.write(`NotReady and PeerLagging fired ${firedMs} ms after the kill and the write, and stopped firing ${resolvedMs} ms after the start\n`);
      expect((await app.client.get('while one is down', { node: killed.wallet }))?.value).toEqual(new Uint8Array(Buffer.from('value')));
    });
  });
}

/** The names of the series with their labels, sorted. */
function seriesIn(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')))
    .sort();
}
