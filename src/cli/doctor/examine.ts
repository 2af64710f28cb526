/**
 * Runs all checks of `nova-kms doctor`. One failure may cause others, so causes are checked first: the first failed line shows what to
 * repair. Checks of the contracts or the enclave that cannot run are reported as not checked. If the chain cannot be read or is the wrong
 * chain, the only checks left are those of the enclave or the node.
 */
import { DependencyError } from '../../domain/errors.ts';
import { parseTeePubkey, type Hash32, type TeePubkey, type Wallet } from '../../domain/ids.ts';
import type { ChainView } from '../../domain/membership.ts';
import type { Clock, Enclave, Random, Transport } from '../../domain/ports.ts';
import { reasonLine } from '../../domain/reasons.ts';
import type { AppReader } from '../../registry/app-reader.ts';
import { judgeEligibility } from '../../registry/eligibility.ts';
import type { Inspection } from '../../registry/inspection.ts';
import {
  isZero,
  judgeContracts,
  judgeDeepState,
  judgeFunds,
  judgeHead,
  judgeInstance,
  type ChainExpectations,
} from './chain-checks.ts';
import { examineEnclave } from './enclave-checks.ts';
import { failed, notChecked, ok, type Finding } from './finding.ts';
import { askNode, judgeNode, judgeStores, type AskedNode } from './node-checks.ts';

export interface Expectations extends ChainExpectations {
  readonly nodeWallet: Wallet | undefined;
}

export interface DoctorModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly inspection: Inspection;
  readonly apps: AppReader;
  /** Reads the membership and the hash from the chain, in the same way as a node_tick. */
  readonly readView: (signal: AbortSignal) => Promise<ChainView>;
  readonly transport: Transport;
  /** The source of this node's identity: its enclave API, or its `/status`. */
  readonly subject: { readonly kind: 'enclave'; readonly enclave: Enclave } | { readonly kind: 'node'; readonly url: string };
}

interface Subject {
  readonly wallet: Wallet | null;
  readonly teePubkey: TeePubkey | null;
}

/** Yields each finding as soon as it is known. @throws any error that is not a DependencyError */
export async function* examine(expected: Expectations, modules: DoctorModules, signal: AbortSignal): AsyncGenerator<Finding> {
  const { inspection, clock } = modules;
  const [head, chainId] = await Promise.all([inspection.head(signal), inspection.chainId(signal)]);
  const chain = judgeHead(head, chainId, expected, clock.nowMs());
  yield* chain;
  let secretHash: Hash32 | null = null;
  const isRightChain = head.ok && chain.every(({ check, outcome }) => check !== 'chain.chain_id' || outcome === 'ok');
  if (isRightChain) {
    yield judgeDeepState(await inspection.deepState(head.value.number, signal), expected);
    const contracts = await inspection.contracts(signal);
    yield* judgeContracts(contracts, expected);
    if (contracts.secretHash.ok) secretHash = contracts.secretHash.value;
  } else {
    yield notChecked('contracts', 'the chain cannot be read, or is the wrong chain');
  }
  const { subject } = modules;
  const found: Subject = subject.kind === 'enclave' ? yield* examineOwnEnclave(subject.enclave, expected, modules, signal) : yield* examineNode(subject.url, expected, secretHash, modules, signal);
  if (!isRightChain) return;
  if (found.wallet !== null) {
    yield* examineInstance(found.wallet, found.teePubkey, expected, modules, signal);
    if (secretHash !== null && subject.kind === 'enclave') yield judgeFunds(await inspection.funds(found.wallet, signal), isZero(secretHash));
  }
  yield* examineCluster(found, expected, secretHash, modules, signal);
}

async function* examineOwnEnclave(enclave: Enclave, expected: Expectations, { random }: DoctorModules, signal: AbortSignal): AsyncGenerator<Finding, Subject> {
  const { findings, wallet, teePubkey } = await examineEnclave({ wallet: expected.nodeWallet }, { enclave, random }, signal);
  yield* findings;
  return { wallet, teePubkey };
}

async function* examineNode(url: string, expected: Expectations, secretHash: Hash32 | null, modules: DoctorModules, signal: AbortSignal): AsyncGenerator<Finding, Subject> {
  const answer = await askNode({ url, wallet: null }, modules, signal);
  yield* judgeNode('node', answer, { maxClockSkewMs: expected.maxClockSkewMs, secretHash });
  const { tee_wallet: wallet = null, tee_pubkey: pubkey = null } = answer.status?.node ?? {};
  return { wallet, teePubkey: pubkey === null ? null : parseTeePubkey(pubkey) };
}

async function* examineInstance(wallet: Wallet, teePubkey: TeePubkey | null, { kmsAppId }: Expectations, { apps }: DoctorModules, signal: AbortSignal): AsyncGenerator<Finding> {
  try {
    yield* judgeInstance(await apps.read(wallet, signal), { kmsAppId, wallet, teePubkey });
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    yield failed('instance.registered', error.message, 'see the checks of the contracts above');
  }
}

/** Checks the cluster as a node would see it: the membership at the pinned block, and all members other than this node. */
async function* examineCluster({ wallet, teePubkey }: Subject, expected: Expectations, secretHash: Hash32 | null, modules: DoctorModules, signal: AbortSignal): AsyncGenerator<Finding> {
  const view = await readViewOr(modules, signal);
  if (typeof view === 'string') {
    yield failed('membership.view', view, 'see the checks of the chain and the contracts above');
    return;
  }
  const { members, dropped } = view.membership;
  yield ok('membership.view', `${members.length} members at block ${view.block}, ${dropped.length} left out`);
  if (wallet !== null && teePubkey !== null) {
    const why = judgeEligibility({ wallet, teePubkey }, view.membership);
    yield why === null
      ? ok('membership.self', 'this node is an eligible member')
      : failed('membership.self', reasonLine(why), `wait until the registration is ${expected.confirmations} blocks deep; if it is already that deep, see the instance checks above`);
  }
  const own = modules.subject.kind === 'node' ? [{ url: modules.subject.url, wallet: null }] : [];
  const peers: readonly AskedNode[] = members.filter((member) => member.wallet !== wallet).map((member) => ({ url: member.url, wallet: member.wallet }));
  const answers = await Promise.all(peers.map((peer) => askNode(peer, modules, signal)));
  for (const answer of answers) yield* judgeNode('peer', answer, { maxClockSkewMs: expected.maxClockSkewMs, secretHash });
  yield await judgeStores([...own, ...peers], modules, signal);
}

async function readViewOr({ readView }: DoctorModules, signal: AbortSignal): Promise<ChainView | string> {
  try {
    return await readView(signal);
  } catch (error) {
    if (error instanceof DependencyError) return error.message;
    throw error;
  }
}
