/** Answers calls to the two contracts and to Multicall3, from the state of the contracts at one block. */
import { decodeFunctionData, encodeErrorResult, encodeFunctionResult, multicall3Abi, type Hex } from 'viem';
import type { Wallet } from '../../domain/ids.ts';
import { kmsRegistryAbi, novaAppRegistryAbi } from '../../registry/abi.ts';
import { MULTICALL3 } from '../../registry/views.ts';
import { mayClaim, type ContractState, type SimInstance } from './sim-chain.ts';

export const NOVA_APP_REGISTRY = `0x${'a0'.repeat(20)}` as Wallet;
export const KMS_REGISTRY = `0x${'b0'.repeat(20)}` as Wallet;
export const NOBODY = `0x${'00'.repeat(20)}` as Wallet;

/** Maximum number of cached answers. */
const MAX_ANSWERS = 20_000;
const STATUS = { ACTIVE: 0, STOPPED: 1, FAILED: 2, UNKNOWN: 9, ENROLLED: 0, DEPRECATED: 1, REVOKED: 2, INACTIVE: 1 } as const;
const APP_STATUS = { ACTIVE: 0, INACTIVE: 1, REVOKED: 2, UNKNOWN: 9 } as const;
const ZERO_BYTES32: Hex = `0x${'00'.repeat(32)}`;

/** The result of a call: data, or the data of a revert. */
export type CallResult = { readonly data: Hex } | { readonly reverted: Hex };

/** Answers calls. All nodes share one cache. */
export class ContractAnswers {
  readonly #known = new Map<string, CallResult>();

  /** @returns null when there is no contract at the address */
  call(state: ContractState, to: string, data: Hex, from: string | undefined): CallResult | null {
    if (![MULTICALL3, KMS_REGISTRY, NOVA_APP_REGISTRY].includes(to)) return null;
    const id = `${state.id} ${to} ${from ?? ''} ${data}`;
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const answer = to === MULTICALL3 ? this.#multicall(state, data) : to === KMS_REGISTRY ? kmsRegistry(state, data, from) : novaAppRegistry(state, data);
    if (this.#known.size >= MAX_ANSWERS) this.#known.clear();
    this.#known.set(id, answer);
    return answer;
  }

  #multicall(state: ContractState, data: Hex): CallResult {
    const { args } = decodeFunctionData({ abi: multicall3Abi, data });
    const calls = args[0] as readonly { readonly target: string; readonly callData: Hex }[];
    const results = calls.map(({ target, callData }) => {
      const result = this.call(state, target.toLowerCase(), callData, undefined) ?? { data: '0x' };
      return 'data' in result ? { success: true, returnData: result.data } : { success: false, returnData: result.reverted };
    });
    return { data: encodeFunctionResult({ abi: multicall3Abi, functionName: 'aggregate3', result: results }) };
  }
}

function kmsRegistry(state: ContractState, data: Hex, from: string | undefined): CallResult {
  const { functionName } = decodeFunctionData({ abi: kmsRegistryAbi, data });
  if (functionName === 'masterSecretHash') {
    return { data: encodeFunctionResult({ abi: kmsRegistryAbi, functionName, result: state.hash }) };
  }
  if (functionName === 'setMasterSecretHash') {
    const refusal = mayClaim(state, (from ?? NOBODY) as Wallet);
    return refusal === null ? { data: '0x' } : { reverted: encodeErrorResult({ abi: kmsRegistryAbi, errorName: refusal }) };
  }
  return { reverted: '0x' };
}

function novaAppRegistry(state: ContractState, data: Hex): CallResult {
  const abi = novaAppRegistryAbi;
  const call = decodeFunctionData({ abi, data });
  switch (call.functionName) {
    case 'getActiveInstances': {
      const [appId] = call.args;
      const active = [...state.instances.values()].filter((instance) => instance.appId === appId && instance.status === 'ACTIVE');
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result: active.map(({ wallet }) => wallet as Hex) }) };
    }
    case 'getInstanceByWallet': {
      const instance = state.instances.get(call.args[0].toLowerCase() as Wallet);
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result: rawInstance(instance) }) };
    }
    case 'getVersion': {
      const [appId, versionId] = call.args;
      const status = state.versions.get(`${appId}:${versionId}`);
      const result = {
        id: status === undefined ? 0n : versionId,
        versionName: 'v',
        codeMeasurement: ZERO_BYTES32,
        imageUri: '',
        auditUrl: '',
        auditHash: '',
        githubRunId: '',
        status: STATUS[status ?? 'UNKNOWN'],
        enrolledAt: 0n,
        enrolledBy: NOBODY as Hex,
      };
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result }) };
    }
    case 'getApp': {
      const [appId] = call.args;
      const status = state.apps.get(appId);
      const result = {
        id: status === undefined ? 0n : appId,
        owner: NOBODY as Hex,
        teeArch: ZERO_BYTES32,
        dappContract: NOBODY as Hex,
        metadataUri: '',
        latestVersionId: 1n,
        createdAt: 0n,
        status: APP_STATUS[status ?? 'UNKNOWN'],
        appWallet: NOBODY as Hex,
      };
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result }) };
    }
    case 'getInstance':
    case 'getInstancesForVersion':
      return { reverted: '0x' };
  }
}

function rawInstance(instance: SimInstance | undefined) {
  const teePubkey: Hex = `0x${instance?.teePubkey ?? ''}`;
  return {
    id: instance?.id ?? 0n,
    appId: instance?.appId ?? 0n,
    versionId: instance?.versionId ?? 0n,
    operator: NOBODY as Hex,
    instanceUrl: instance?.url ?? '',
    teePubkey,
    teeWalletAddress: (instance?.wallet ?? NOBODY) as Hex,
    zkVerified: instance?.zkVerified ?? false,
    status: instance === undefined ? 0 : STATUS[instance.status],
    registeredAt: 0n,
  };
}
