/**
 * The real Prometheus and promtool: from `PROMETHEUS_DIR`, or from the `PATH`, where Debian's package `prometheus` puts them. They are not
 * npm packages. CI must install them. On other machines, if they are missing, the output says that some tests did not run.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { freePort } from '../../../src/dev/listening-ports.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

const DEPLOYED = join(import.meta.dirname, '..', '..', '..', 'deploy', 'prometheus');
const LOOK_EVERY_MS = 100;

export interface PrometheusTools {
  readonly server: string;
  readonly promtool: string;
}

/** Finds Prometheus and promtool on this machine; null if they are not installed. */
export function findPrometheus(): PrometheusTools | null {
  const given = process.env['PROMETHEUS_DIR'];
  const folders = [...(given === undefined ? [] : [given]), ...(process.env['PATH'] ?? '').split(delimiter)];
  const find = (name: string): string | undefined => folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  const [server, promtool] = [find('prometheus'), find('promtool')];
  return server === undefined || promtool === undefined ? null : { server, promtool };
}

/** Prints that Prometheus is missing. @throws Error in CI instead */
export function sayThatPrometheusIsMissing(): void {
  const missing = 'Prometheus is not installed, so the tests of metrics and alerts did not run: run apt-get install prometheus, or set PROMETHEUS_DIR';
  if (process.env['CI'] === 'true') throw new Error(missing);
  process.stderr.write(`${missing}\n`);
}

/** @param input promtool's standard input @returns promtool's output @throws Error with that output when promtool finds a fault */
export async function promtool({ promtool: path }: PrometheusTools, given: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(path, [...given], { cwd: DEPLOYED });
  running.child.stdin!.end(input);
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

/** The current state of an alert in Prometheus. */
export interface ActiveAlert {
  readonly name: string;
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>>;
}

export interface RunningPrometheus {
  /** Alerts that are pending or firing. */
  alerts(): Promise<readonly ActiveAlert[]>;
  /** The number of targets that answer. */
  healthyTargets(): Promise<number>;
  /** The number of series that an expression finds. @throws Error that says what is wrong with the expression */
  query(expr: string): Promise<number>;
  stop(): Promise<void>;
}

export interface PrometheusOptions {
  /** `host:port` */
  readonly targets: readonly string[];
  readonly token: string;
}

/**
 * Starts Prometheus with the deployed configuration and alerts, but faster: it scrapes every second, and an alert fires after two seconds.
 * The time windows of rates stay as deployed.
 */
export async function startPrometheus({ server }: PrometheusTools, { targets, token }: PrometheusOptions): Promise<RunningPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-kms-prometheus-'));
  await cp(DEPLOYED, folder, { recursive: true });
  await writeFile(join(folder, 'nova-kms-token'), token);
  await rewrite(join(folder, 'prometheus.yml'), [
    [/(scrape|evaluation)_interval: 15s/g, '$1_interval: 1s'],
    [/targets: \[.*\]/, `targets: ${JSON.stringify(targets)}`],
  ]);
  await rewrite(join(folder, 'alerts.yaml'), [
    [/for: \d+m/g, 'for: 2s'],
    [/(last_acknowledged_timestamp_seconds\{[^}]*\}) > 60/, '$1 > 2'],
  ]);
  const port = await freePort();
  const running = spawn(
    server,
    [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'],
    { stdio: 'ignore' },
  );
  const exited = once(running, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(`${url}/api/v1/${path}`);
    const { status, data, error } = (await answer.json()) as { readonly status: string; readonly data?: unknown; readonly error?: string };
    if (status !== 'success') throw new Error(error ?? `Prometheus answered ${answer.status}`);
    return data;
  };
  const stop = async (): Promise<void> => {
    running.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitUntil({ what: 'Prometheus', timeoutMs: WAIT_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
      if (running.exitCode !== null) throw new Error(`Prometheus ended with code ${running.exitCode}`);
      return (await fetch(`${url}/-/ready`).catch(() => null))?.ok === true ? null : 'it is not ready';
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async alerts() {
      const { alerts } = (await ask('alerts')) as { readonly alerts: readonly { readonly state: ActiveAlert['state']; readonly labels: Record<string, string> }[] };
      return alerts.map(({ state, labels }) => ({ name: labels['alertname']!, state, labels }));
    },
    async healthyTargets() {
      const { activeTargets } = (await ask('targets')) as { readonly activeTargets: readonly { readonly health: string }[] };
      return activeTargets.filter(({ health }) => health === 'up').length;
    },
    async query(expr) {
      const { result } = (await ask(`query?query=${encodeURIComponent(expr)}`)) as { readonly result: readonly unknown[] };
      return result.length;
    },
    stop,
  };
}

/** @throws Error if the file does not contain a string that must be changed */
async function rewrite(file: string, changes: readonly (readonly [RegExp, string])[]): Promise<void> {
  let text = await readFile(file, 'utf8');
  for (const [find, put] of changes) {
    const changed = text.replace(find, put);
    if (changed === text) throw new Error(`${file} does not match ${String(find)}`);
    text = changed;
  }
  await writeFile(file, text);
}
