/** Checks nodes from outside: whether they can be reached, their clocks, the secret that they use, and whether their stores are equal. */
import { parseJsonOrNull } from '../../crypto/json.ts';
import { clockLeadMs } from '../../domain/clock-lead.ts';
import { DependencyError } from '../../domain/errors.ts';
import type { Hash32, Wallet } from '../../domain/ids.ts';
import { SMALL_ANSWER_BYTES } from '../../domain/limits.ts';
import { memberEndpoint } from '../../domain/membership.ts';
import type { Clock, Transport } from '../../domain/ports.ts';
import { parseStatus, type StatusAnswer } from '../status/answer.ts';
import { compareStores, storesLine } from '../status/stores.ts';
import { silenceOf } from '../status/survey.ts';
import { isZero } from './chain-checks.ts';
import { failed, notChecked, ok, type Finding } from './finding.ts';

/** Timeout of one request to a node. Milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;
export interface AskedNode {
  readonly url: string;
  /** The registered wallet; null: the user gave only the URL. */
  readonly wallet: Wallet | null;
}

export interface NodeModules {
  readonly transport: Transport;
  readonly clock: Clock;
}

export interface NodeAnswer {
  readonly asked: AskedNode;
  readonly status: StatusAnswer | null;
  /** The reason why there is no status. */
  readonly silence: string | null;
  /** How far the node's clock is ahead of the clock of this host. Null: the node's answer has no date. Milliseconds. */
  readonly leadMs: number | null;
}

export async function askNode(asked: AskedNode, { transport, clock }: NodeModules, signal: AbortSignal): Promise<NodeAnswer> {
  try {
    const url = memberEndpoint(asked.url, '/status');
    const answer = await transport.request({ method: 'GET', url, maxAnswerBytes: SMALL_ANSWER_BYTES, timeoutMs: ANSWER_TIMEOUT_MS, signal });
    const leadMs = clockLeadMs(answer.headers['date'], clock.nowMs());
    if (answer.status !== 200) return { asked, status: null, silence: `answered ${answer.status}`, leadMs };
    const status = parseStatus(parseJsonOrNull(answer.body));
    return { asked, status, silence: status === null ? 'did not answer with a status' : null, leadMs };
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    return { asked, status: null, silence: silenceOf(error, ANSWER_TIMEOUT_MS), leadMs: null };
  }
}

export interface NodeExpectations {
  readonly maxClockSkewMs: number;
  /** The hash on the chain; null: it could not be read. */
  readonly secretHash: Hash32 | null;
}

/** Judges a member, or the node whose URL the user gave. @param room the first part of the names of the checks */
export function judgeNode(room: 'peer' | 'node', { asked, status, silence, leadMs }: NodeAnswer, expected: NodeExpectations): readonly Finding[] {
  const who = asked.wallet === null ? asked.url : `${asked.wallet} at ${asked.url}`;
  if (status === null) {
    return [failed(`${room}.reachable`, `${who}: ${silence ?? 'no status'}`, 'start the node, or make it reachable; if it is a member that will not return, remove it from the registry')];
  }
  return [
    ok(`${room}.reachable`, who),
    judgeClock(room, who, leadMs, expected.maxClockSkewMs),
    judgeSecret(room, who, status, expected.secretHash),
    judgeReady(room, who, status),
  ];
}

function judgeClock(room: string, who: string, leadMs: number | null, maxSkewMs: number): Finding {
  const check = `${room}.clock`;
  if (leadMs === null) return notChecked(check, `${who} sends no Date header`);
  if (Math.abs(leadMs) <= maxSkewMs) return ok(check, `${who}: its clock is within ${maxSkewMs / 1000} s of this host's clock`);
  const side = leadMs > 0 ? 'ahead of' : 'behind';
  return failed(check, `${who}: its clock is ${Math.round(Math.abs(leadMs) / 1000)} s ${side} this host's clock`, "set its clock; if all peers differ by the same amount, set this host's clock");
}

function judgeSecret(room: string, who: string, { cluster: { master_secret_hash: hash } }: StatusAnswer, expected: Hash32 | null): Finding {
  const check = `${room}.secret_hash`;
  if (hash === null) return notChecked(check, `${who} reports no hash`);
  if (expected === null) return notChecked(check, 'the hash on the chain could not be read');
  if (hash === expected) return ok(check, `${who}: same hash as the chain`);
  const shown = isZero(expected) ? 'the chain shows none' : `the chain shows ${expected}`;
  return failed(check, `${who} uses the secret with the hash ${hash}, but ${shown}`, 'that node reads a different chain or contract, or an old state of the chain: compare its settings and its RPC');
}

function judgeReady(room: string, who: string, { node, readiness }: StatusAnswer): Finding {
  const check = `${room}.ready`;
  if (node.service_available) return ok(check, who);
  const why = readiness.reason ?? readiness.state ?? 'it does not say why';
  return failed(check, `${who} is not ready: ${why}`, 'run nova-kms doctor where that node runs, or with --url');
}

export async function judgeStores(nodes: readonly AskedNode[], modules: NodeModules, signal: AbortSignal): Promise<Finding> {
  const check = 'cluster.stores';
  const look = async () => (await Promise.all(nodes.map((asked) => askNode(asked, modules, signal)))).map(({ status }) => status);
  const compared = await compareStores(look, modules.clock, signal);
  if (compared.nodes < 2) return notChecked(check, storesLine(compared));
  if (compared.stores === 1) return ok(check, storesLine(compared));
  return failed(check, storesLine(compared), 'this is normal while writes keep arriving; otherwise, "replication" in the /status of each node shows which peers are behind, and why');
}
