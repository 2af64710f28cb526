/**
 * Asks all nodes of a cluster at the same time: the given nodes, and the members that they list. One timeout covers the whole survey. A
 * node that does not answer in time is reported as silent and does not delay the other nodes.
 */
import { parseJsonOrNull } from '../../crypto/json.ts';
import { DependencyError } from '../../domain/errors.ts';
import type { Wallet } from '../../domain/ids.ts';
import { SMALL_ANSWER_BYTES } from '../../domain/limits.ts';
import { memberEndpoint } from '../../domain/membership.ts';
import type { Clock, Transport } from '../../domain/ports.ts';
import { plainText } from '../plain-text.ts';
import { parseNodes, parseStatus, type Listed, type StatusAnswer } from './answer.ts';

export interface SurveyOptions {
  /** Base URLs, normalized by `nodeUrl`. */
  readonly urls: readonly string[];
  /** Members of an earlier survey. They are asked too, and are kept when the given nodes list no members. */
  readonly known: readonly Listed[];
  /** true: also asks the members that the given nodes list. */
  readonly discover: boolean;
  /** Timeout of the whole survey. Milliseconds. */
  readonly timeoutMs: number;
  readonly maxNodes: number;
}

export interface SurveyModules {
  readonly transport: Transport;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
}

export interface SurveyedNode {
  readonly url: string;
  /** The wallet that a list of members shows for this URL; null if no list contains the URL. */
  readonly listedWallet: Wallet | null;
  /** Null: there is no answer; `silence` says why. */
  readonly answer: StatusAnswer | null;
  /** The reason why there is no answer, in words; null when there is an answer. */
  readonly silence: string | null;
}

export interface Survey {
  /** Unix milliseconds. */
  readonly takenAtMs: number;
  /** The given nodes come first. */
  readonly nodes: readonly SurveyedNode[];
  /** The listed members; if none were listed, the members of the earlier survey. */
  readonly members: readonly Listed[];
  /** Members that were not asked, because there are more than `maxNodes`. */
  readonly leftOut: number;
}

/** Maximum size of a list of members, which may be longer than a status. Bytes. */
const NODES_ANSWER_BYTES = 1024 * 1024;

/** @param signal ends the survey early */
export async function takeSurvey(options: SurveyOptions, modules: SurveyModules, signal: AbortSignal): Promise<Survey> {
  const { urls, known, discover, timeoutMs, maxNodes } = options;
  const endsAtMs = modules.clock.monotonicMs() + timeoutMs;
  const ask = async (url: string, path: '/status' | '/nodes', maxAnswerBytes: number) =>
    readJson(memberEndpoint(url, path), maxAnswerBytes, endsAtMs, timeoutMs, modules, signal);

  const nodes = new Map<string, Promise<SurveyedNode>>();
  const leftOut = new Set<string>();
  const include = ({ url, wallet }: Listed): void => {
    if (nodes.has(url)) return;
    if (nodes.size < maxNodes) nodes.set(url, ask(url, '/status', SMALL_ANSWER_BYTES).then((read) => surveyed(url, wallet, read)));
    else leftOut.add(url);
  };

  for (const url of urls) include({ url, wallet: null });
  for (const member of known) include(member);
  const lists = await Promise.all(
    (discover ? urls : []).map(async (url) => {
      const { body } = await ask(url, '/nodes', NODES_ANSWER_BYTES);
      const list = body === undefined ? null : parseNodes(body);
      // Members are asked as soon as one list arrives, so that a given node that does not answer cannot delay them.
      for (const member of list ?? []) include(member);
      return list;
    }),
  );
  const listed = lists.filter((list) => list !== null).flat();
  const members = listed.length === 0 ? known : unique(listed);
  const walletOf = new Map(members.map(({ url, wallet }) => [url, wallet]));
  const answered = (await Promise.all(nodes.values())).map((node) => ({ ...node, listedWallet: walletOf.get(node.url) ?? null }));
  // A node of the earlier survey that is no longer a member does not belong to the cluster.
  const current = answered.filter(({ url }) => urls.includes(url) || walletOf.has(url));
  return { takenAtMs: modules.clock.nowMs(), nodes: withoutTwins(current, urls), members, leftOut: leftOut.size };
}

interface Read {
  /** Undefined: there is no body; `silence` says why. */
  readonly body: unknown;
  readonly silence: string | null;
}

async function readJson(
  url: string,
  maxAnswerBytes: number,
  endsAtMs: number,
  timeoutMs: number,
  { transport, clock }: SurveyModules,
  signal: AbortSignal,
): Promise<Read> {
  const leftMs = Math.max(1, endsAtMs - clock.monotonicMs());
  try {
    const answer = await transport.request({ method: 'GET', url, maxAnswerBytes, timeoutMs: leftMs, signal });
    if (answer.status !== 200) return { body: undefined, silence: `answered ${answer.status}` };
    const body = parseJsonOrNull(answer.body);
    return body === null ? { body: undefined, silence: NO_STATUS } : { body, silence: null };
  } catch (error) {
    return { body: undefined, silence: silenceOf(error, timeoutMs) };
  }
}

const NO_STATUS = 'did not answer with a status';

function surveyed(url: string, listedWallet: Wallet | null, { body, silence }: Read): SurveyedNode {
  const answer = body === undefined ? null : parseStatus(body);
  return { url, listedWallet, answer, silence: answer === null ? (silence ?? NO_STATUS) : null };
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  UND_ERR_SOCKET: 'connection closed',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host cannot be looked up',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
};

/** Describes a failure in our own words, but quotes an unknown system code. */
export function silenceOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof DependencyError)) return 'the request failed';
  switch (error.failure) {
    case 'timeout':
      return `no answer within ${timeoutMs / 1_000} s`;
    case 'too_large':
      return 'answer too large';
    case 'unreachable': {
      const code = codeOf(error.cause);
      return code === null ? 'cannot be reached' : (CAUSES[code] ?? `cannot be reached: ${plainText(code, 40)}`);
    }
    case 'aborted':
    case 'malformed':
    case 'refused':
      return 'the exchange did not finish';
  }
}

function codeOf(cause: unknown): string | null {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : null;
}

function unique(listed: readonly Listed[]): readonly Listed[] {
  return [...new Map(listed.map((member) => [member.url, member])).values()];
}

/** The user may specify a node by a URL that differs from its registered URL. Such a node appears only once, with the specified URL. */
function withoutTwins(nodes: readonly SurveyedNode[], urls: readonly string[]): readonly SurveyedNode[] {
  const given = new Set(nodes.filter(({ url, listedWallet }) => urls.includes(url) && listedWallet === null).map(walletSaid));
  return nodes.filter(
    (node) => urls.includes(node.url) || node.answer === null || node.listedWallet === null || walletSaid(node) !== node.listedWallet || !given.has(node.listedWallet),
  );
}

function walletSaid({ answer }: SurveyedNode): Wallet | null {
  return answer?.node.tee_wallet ?? null;
}
