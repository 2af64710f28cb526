/** Checks of the chain's RPC, the contracts and this node's entry in the registry: pure functions of the data that was read. */
import { ZERO_HASH, type Hash32, type TeePubkey, type Wallet } from '../../domain/ids.ts';
import type { AppRecord } from '../../domain/membership.ts';
import { parseTeePubkey } from '../../domain/ids.ts';
import type { InspectedContracts, InspectedFunds, InspectedHead, Reading } from '../../registry/inspection.ts';
import { CLAIM_GAS } from '../../registry/claim-plan.ts';
import { failed, notChecked, ok, type Finding } from './finding.ts';

export interface ChainExpectations {
  readonly chainId: number | undefined;
  /** `CHAIN_MAX_AGE_SECONDS` in milliseconds; 0: any age is accepted. */
  readonly maxAgeMs: number;
  readonly maxClockSkewMs: number;
  readonly confirmations: number;
  readonly novaAppRegistry: Wallet;
  readonly kmsRegistry: Wallet;
  readonly kmsAppId: number;
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
const SEE_RPC = 'check NODE_URL, including its path and key, and whether the RPC can be reached from here';

export function judgeHead(head: Reading<InspectedHead>, chainId: Reading<number>, expected: ChainExpectations, nowMs: number): readonly Finding[] {
  if (!head.ok) return [failed('chain.rpc', head.why, SEE_RPC)];
  const { number, timestampMs, tookMs } = head.value;
  return [
    ok('chain.rpc', `block ${number}, answered in ${tookMs} ms`),
    judgeChainId(chainId, expected.chainId),
    judgeHeadAge(nowMs - timestampMs, expected),
  ];
}

function judgeChainId(chainId: Reading<number>, expected: number | undefined): Finding {
  const check = 'chain.chain_id';
  if (!chainId.ok) return failed(check, chainId.why, SEE_RPC);
  if (expected === undefined) return ok(check, `${chainId.value}; CHAIN_ID is unset, so any chain is accepted`);
  if (chainId.value === expected) return ok(check, String(expected));
  return failed(check, `the RPC reports the chain ID ${chainId.value}, but CHAIN_ID is ${expected}`, 'set NODE_URL to an RPC of the chain in CHAIN_ID, or CHAIN_ID to the ID that the RPC reports');
}

function judgeHeadAge(ageMs: number, { maxAgeMs, maxClockSkewMs }: ChainExpectations): Finding {
  const check = 'chain.head_age';
  if (-ageMs > maxClockSkewMs) {
    return failed(check, `the head's time is ${seconds(-ageMs)} ahead of this host's clock`, "set this host's clock, or use another RPC");
  }
  if (maxAgeMs === 0 || ageMs <= maxAgeMs) return ok(check, `${seconds(Math.max(0, ageMs))} old`);
  return failed(
    check,
    `the head is ${seconds(ageMs)} old, but CHAIN_MAX_AGE_SECONDS is ${maxAgeMs / 1000}`,
    'wait until the RPC or the light client has caught up, or use another RPC; if the chain itself is slow, raise CHAIN_MAX_AGE_SECONDS',
  );
}

export function judgeDeepState(deep: Reading<bigint>, { confirmations }: ChainExpectations): Finding {
  const check = 'chain.state_depth';
  if (deep.ok) return ok(check, `the state of block ${deep.value} can be read (CHAIN_CONFIRMATIONS ${confirmations})`);
  return failed(check, deep.why, `use an RPC that can return the state from ${confirmations} blocks behind the head`);
}

export function judgeContracts(seen: InspectedContracts, expected: ChainExpectations): readonly Finding[] {
  const findings = [
    judgeCode('contracts.nova_app_registry', seen.hasNovaAppRegistry, expected.novaAppRegistry, 'NOVA_APP_REGISTRY_ADDRESS'),
    judgeCode('contracts.kms_registry', seen.hasKmsRegistry, expected.kmsRegistry, 'KMS_REGISTRY_ADDRESS'),
  ];
  const lacking = findings.some(({ outcome }) => outcome === 'failed');
  if (lacking) {
    const rest = ['contracts.kms_app_id', 'contracts.wiring', 'contracts.app', 'contracts.secret_hash'];
    return [...findings, ...rest.map((check) => notChecked(check, 'a contract is missing'))];
  }
  return [...findings, judgeAppId(seen, expected), judgeWiring(seen, expected), judgeApp(seen, expected), judgeHash(seen)];
}

function judgeCode(check: string, has: Reading<boolean>, address: Wallet, variable: string): Finding {
  if (!has.ok) return failed(check, has.why, SEE_RPC);
  if (has.value) return ok(check, address);
  return failed(check, `there is no contract at ${address}`, `set ${variable} to the contract's address on this chain`);
}

function judgeAppId({ kmsAppId }: InspectedContracts, expected: ChainExpectations): Finding {
  const check = 'contracts.kms_app_id';
  if (!kmsAppId.ok) return failed(check, `KMSRegistry: ${kmsAppId.why}`, 'check that KMS_REGISTRY_ADDRESS is a KMSRegistry');
  if (kmsAppId.value === BigInt(expected.kmsAppId)) return ok(check, String(expected.kmsAppId));
  if (kmsAppId.value === 0n) return failed(check, 'KMSRegistry has no app id yet', `its owner must call setKmsAppId(${expected.kmsAppId}) once`);
  return failed(check, `KMSRegistry has the app ${kmsAppId.value}, but KMS_APP_ID is ${expected.kmsAppId}`, 'set KMS_APP_ID to the app of this KMSRegistry, or KMS_REGISTRY_ADDRESS to the KMSRegistry of your app');
}

function judgeWiring({ wiredRegistry }: InspectedContracts, expected: ChainExpectations): Finding {
  const check = 'contracts.wiring';
  if (!wiredRegistry.ok) return failed(check, `KMSRegistry: ${wiredRegistry.why}`, 'check that KMS_REGISTRY_ADDRESS is a KMSRegistry');
  if (wiredRegistry.value === expected.novaAppRegistry) return ok(check, 'KMSRegistry uses this NovaAppRegistry');
  return failed(
    check,
    `KMSRegistry uses the registry ${wiredRegistry.value}, but NOVA_APP_REGISTRY_ADDRESS is ${expected.novaAppRegistry}`,
    'set NOVA_APP_REGISTRY_ADDRESS to the registry that KMSRegistry uses, or have its owner call setNovaAppRegistry',
  );
}

function judgeApp({ app }: InspectedContracts, expected: ChainExpectations): Finding {
  const check = 'contracts.app';
  if (!app.ok) return failed(check, `NovaAppRegistry: ${app.why}`, 'check that NOVA_APP_REGISTRY_ADDRESS is a NovaAppRegistry');
  const { exists, status, dappContract } = app.value;
  if (!exists) return failed(check, `NovaAppRegistry has no app ${expected.kmsAppId}`, 'create the app there, or set KMS_APP_ID');
  if (status !== 'ACTIVE') return failed(check, `the app ${expected.kmsAppId} is ${status}`, "the app's owner must set it to active");
  if (dappContract !== expected.kmsRegistry) {
    return failed(check, `the app's dappContract is ${dappContract}, but KMS_REGISTRY_ADDRESS is ${expected.kmsRegistry}`, "the app's owner must set dappContract to the KMSRegistry; otherwise NovaAppRegistry adds no operators to it");
  }
  return ok(check, `app ${expected.kmsAppId} is ACTIVE, and its dappContract is this KMSRegistry`);
}

function judgeHash({ secretHash }: InspectedContracts): Finding {
  const check = 'contracts.secret_hash';
  if (!secretHash.ok) return failed(check, `KMSRegistry: ${secretHash.why}`, 'check that KMS_REGISTRY_ADDRESS is a KMSRegistry');
  return ok(check, isZero(secretHash.value) ? 'zero: the first eligible node claims it' : secretHash.value);
}

export function isZero(hash: Hash32): boolean {
  return hash === ZERO_HASH;
}

export interface InstanceExpectations {
  readonly kmsAppId: number;
  readonly wallet: Wallet;
  /** Null: unknown, because the enclave API or the node did not return it. */
  readonly teePubkey: TeePubkey | null;
}

/** Judges the entry of this node in NovaAppRegistry. */
export function judgeInstance({ instance, version }: AppRecord, { kmsAppId, wallet, teePubkey }: InstanceExpectations): readonly Finding[] {
  const check = 'instance.registered';
  const register = 'register the instance in NovaAppRegistry with the wallet and teePubkey of its enclave';
  if (instance.id === 0n) return [failed(check, `NovaAppRegistry has no instance with the wallet ${wallet}`, register)];
  if (instance.appId !== BigInt(kmsAppId)) return [failed(check, `the wallet ${wallet} belongs to an instance of the app ${instance.appId}, not of ${kmsAppId}`, register)];
  if (instance.status !== 'ACTIVE') return [failed(check, `the instance ${instance.id} is ${instance.status}`, 'register it again, or have its operator set it to active')];
  if (!instance.zkVerified) return [failed(check, `the instance ${instance.id} is not zkVerified`, 'register it with a proof of its attestation')];
  return [ok(check, `instance ${instance.id}, ${instance.url}`), judgeVersion(instance.versionId, version?.status), judgeTeePubkey(instance.teePubkey, teePubkey)];
}

function judgeVersion(id: bigint, status: string | undefined): Finding {
  const check = 'instance.version';
  if (status === 'ENROLLED') return ok(check, `version ${id} is ENROLLED`);
  if (status === 'DEPRECATED') return ok(check, `version ${id} is DEPRECATED: its nodes answer requests but may not claim the hash`);
  return failed(check, `version ${id} is ${status ?? 'unknown'}`, 'deploy a version that is enrolled, and register its instance');
}

function judgeTeePubkey(registered: TeePubkey | '', own: TeePubkey | null): Finding {
  const check = 'instance.tee_pubkey';
  if (own === null) return notChecked(check, 'the teePubkey of this enclave is not known');
  if (registered !== '' && parseTeePubkey(registered) === own) return ok(check, 'the registered teePubkey is that of this enclave');
  return failed(check, 'the registered teePubkey is not that of this enclave', 'the keys of the enclave have changed since it was registered: register the instance again');
}

/** A claim pays up to twice the current gas price. */
const PRICE_FACTOR = 2n;

export function judgeFunds(funds: Reading<InspectedFunds>, isHashZero: boolean): Finding {
  const check = 'enclave.funds';
  if (!funds.ok) return failed(check, funds.why, SEE_RPC);
  const { balanceWei, gasPriceWei } = funds.value;
  const neededWei = CLAIM_GAS * gasPriceWei * PRICE_FACTOR;
  const has = `the wallet has ${ether(balanceWei)} ETH`;
  if (!isHashZero) return ok(check, `${has}; it needs none while a hash is set`);
  if (balanceWei >= neededWei) return ok(check, `${has}; a claim costs at most about ${ether(neededWei)} ETH`);
  return failed(check, `${has}, but a claim may cost ${ether(neededWei)} ETH`, "send ETH to the enclave's wallet, or let a node with enough ETH claim the hash");
}

const WEI_PER_MICRO_ETHER = 10n ** 12n;

function ether(wei: bigint): string {
  return (Number(wei / WEI_PER_MICRO_ETHER) / 1e6).toFixed(6);
}
