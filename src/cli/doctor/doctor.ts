/**
 * `nova-kms doctor`: finds out why a node is not ready, or would not become ready. It uses the node's environment, or checks the node from
 * outside.
 */
import type { Command } from 'commander';
import process from 'node:process';
import { readConfig, withoutNodeVariables, type ConfigResult, type Environment } from '../../config/read-config.ts';
import type { Config } from '../../config/settings.ts';
import { LocalWallet } from '../../enclave/local-wallet.ts';
import { OdynClient } from '../../enclave/odyn-client.ts';
import { PeerTransport } from '../../net/peer-transport.ts';
import { createRpcFetch } from '../../net/rpc-fetch.ts';
import { chainOptions } from '../../node/chain-options.ts';
import { createAppReader } from '../../registry/app-reader.ts';
import { Inspection } from '../../registry/inspection.ts';
import { Rpc } from '../../registry/rpc.ts';
import { ViewReader } from '../../registry/view-reader.ts';
import { systemClock, systemRandom } from '../../system/system.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { requireNodeUrl } from '../node-url.ts';
import { secondsBetween } from '../option-values.ts';
import { proxyOf } from '../proxy.ts';
import { onStopSignals } from '../stop-signals.ts';
import { examine, type DoctorModules } from './examine.ts';
import { failed, findingLines, reportLine, reportOf, type Finding } from './finding.ts';

const MAX_LIMIT_SECONDS = 600;

const MORE = `
Reads the environment as a node would, then checks in this order: configuration, the
chain's RPC, the contracts, the enclave API, this node's entry in the registry, and
the peers. Start with the first line that failed; it may be the cause of the others.
Without --url, doctor refuses NODE_OPTIONS, NODE_DEBUG and NODE_TLS_REJECT_UNAUTHORIZED
unless IN_ENCLAVE is false, as a node does. With --url, doctor checks the node at that
URL instead of an enclave API. The environment still specifies the chain and the
contracts, but these three variables then affect only doctor itself. The command changes
nothing and sends no transaction.

Examples:
  nova-kms doctor
  nova-kms doctor --url https://node-1.example
  nova-kms doctor --json | jq '.checks[] | select(.outcome == "failed")'

Exit codes:
  0    no check failed
  1    the checks could not be finished
  2    the command line is invalid
  3    a check failed`;

interface DoctorOptions {
  readonly url?: string;
  readonly json?: boolean;
  readonly limit: number;
}

export function define(command: Command): void {
  command
    .option('--url <url>', 'check a running node from outside')
    .option('--json', 'print one JSON object with the fields ok, failed and checks')
    .option('--limit <seconds>', 'time limit for all checks together', secondsBetween(1, MAX_LIMIT_SECONDS), 120)
    .addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const options = command.opts<DoctorOptions>();
  const url = options.url === undefined ? undefined : requireNodeUrl(options.url);
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    if (options.json !== true) process.stdout.write(`${findingLines(finding).join('\n')}\n`);
  };
  const read = readEnvironment(process.env, url);
  if (read.ok) {
    tell({ check: 'configuration', outcome: 'ok', detail: url === undefined ? 'a node would start with this environment' : 'the environment specifies the chain and the contracts' });
    await examineFrom(read.config, url, options.limit, tell);
  } else {
    for (const problem of read.problems) tell(failed('configuration', problem, 'correct the variable; nova-kms check-config prints the configuration as a node reads it'));
  }
  const report = reportOf(findings);
  if (options.json === true) process.stdout.write(`${reportLine(report)}\n`);
  else process.stdout.write(report.ok ? '\nnothing failed\n' : `\n${report.failed} failed: begin with the first\n`);
  return report.ok ? EXIT.done : EXIT.no;
}

/**
 * @param url the URL of a node, which has its own environment; `undefined` to check this environment. With a URL, the variables of
 * Node.js are left out, because they affect only this command.
 */
export function readEnvironment(environment: Environment, url: string | undefined): ConfigResult {
  return readConfig(url === undefined ? environment : withoutNodeVariables(environment));
}

/** @throws CommandError when the timeout is reached, or when a signal ends the checks */
async function examineFrom(config: Config, url: string | undefined, limitSeconds: number, tell: (finding: Finding) => void): Promise<void> {
  const proxy = proxyOf(config);
  const rpcFetch = createRpcFetch(proxy);
  const rpc = new Rpc({ url: config.nodeUrl }, { clock: systemClock, fetch: rpcFetch.fetch });
  // These requests to peers come from this host, not from an enclave, so no address is forbidden.
  const transport = new PeerTransport({ inEnclave: false, proxy }, { clock: systemClock });
  const odyn = new OdynClient({ baseUrl: config.odynUrl }, { clock: systemClock });
  const enclave = config.nodePrivateKey === undefined ? odyn : new LocalWallet(config.nodePrivateKey, { enclave: odyn });
  const rules = chainOptions(config);
  const reader = new ViewReader(rules, { rpc, clock: systemClock });
  const modules: DoctorModules = {
    clock: systemClock,
    random: systemRandom,
    inspection: new Inspection(rules, { rpc, clock: systemClock }),
    apps: createAppReader(rules, { rpc }),
    readView: (signal) => reader.readView(signal),
    transport,
    subject: url === undefined ? { kind: 'enclave', enclave } : { kind: 'node', url },
  };
  const stopping = new AbortController();
  onStopSignals(() => stopping.abort(), () => process.exit(EXIT.interrupted));
  const timeout = AbortSignal.timeout(limitSeconds * 1_000);
  const signal = AbortSignal.any([stopping.signal, timeout]);
  const expected = { ...rules, chainId: config.chainId, maxAgeMs: config.chainMaxAgeMs, nodeWallet: config.nodeWallet };
  try {
    for await (const finding of examine(expected, modules, signal)) {
      signal.throwIfAborted();
      tell(finding);
    }
  } catch (error) {
    if (timeout.aborted) throw new CommandError(`the checks took longer than ${limitSeconds} s: see --limit`);
    if (stopping.signal.aborted) throw new CommandError('the checks were cancelled');
    throw error;
  } finally {
    await Promise.allSettled([transport.close(), odyn.close(), rpcFetch.close()]);
  }
}
