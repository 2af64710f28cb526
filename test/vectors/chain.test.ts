/** protocol.md §6: the calldata and return data of contract views, claims, selectors and topics, tested with the production RPC reader. */
import { expect } from '@jest/globals';
import { toEventSelector, toFunctionSelector, type Abi, type AbiEvent, type AbiFunction, type Hex } from 'viem';
import type { Hash32, Wallet } from '../../src/domain/ids.ts';
import { OdynClient } from '../../src/enclave/odyn-client.ts';
import { kmsRegistryAbi, novaAppRegistryAbi } from '../../src/registry/abi.ts';
import { freshFees } from '../../src/registry/claim-plan.ts';
import { claimCalldata, claimTransaction } from '../../src/registry/claim-sender.ts';
import { Rpc } from '../../src/registry/rpc.ts';
import type { ViewResult } from '../../src/registry/view-call.ts';
import { systemClock } from '../../src/system/system.ts';
import { recordingServer } from '../support/recording-server.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface ViewCase extends VectorCase {
  readonly contract: 'NovaAppRegistry' | 'KMSRegistry';
  readonly signature: string;
  readonly selector: string;
  readonly args: string[];
  readonly calldata: Hex;
  readonly return_data: Hex;
  readonly expect: { readonly decoded?: unknown; readonly refuse?: string };
}

interface ClaimCase extends VectorCase {
  readonly hash: string;
  readonly calldata: Hex;
  readonly chain: { readonly chain_id: number; readonly nonce: number; readonly priority_fee: number; readonly base_fee: number; readonly to: Wallet };
  readonly expect: { readonly sign_tx: { readonly payload: Record<string, unknown> } };
}

interface NamedCase extends VectorCase {
  readonly signature?: string;
  readonly selector?: string;
  readonly topic0?: string;
}

interface ChainFile {
  readonly cases: ViewCase[];
  readonly claims: ClaimCase[];
  readonly selectors: NamedCase[];
  readonly errors: NamedCase[];
  readonly events: NamedCase[];
}

const ABIS: Readonly<Record<ViewCase['contract'], Abi>> = { NovaAppRegistry: novaAppRegistryAbi, KMSRegistry: kmsRegistryAbi };
const ADDRESS: Hex = `0x${'11'.repeat(20)}`;

/** An RPC that answers every eth_call with the same data and records the calldata that it receives. */
function rpcThatReturns(returnData: Hex): { rpc: Rpc; seen: Hex[] } {
  const seen: Hex[] = [];
  const fetch = (async (_: unknown, init?: RequestInit) => {
    const { id, params } = JSON.parse(init?.body as string) as { id: number; params: [{ data: Hex }] };
    seen.push(params[0].data);
    return new Response(JSON.stringify({ jsonrpc: '2.0', id, result: returnData }), { headers: { 'content-type': 'application/json' } });
  }) as typeof globalThis.fetch;
  return { rpc: new Rpc({ url: 'http://rpc.test' }, { clock: systemClock, fetch }), seen };
}

/** A value in the form of the vectors: numbers as decimal strings, addresses and bytes in lower case. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return value.startsWith('0x') ? value.toLowerCase() : value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
}

function abiEntry(abi: Abi, type: 'function' | 'error' | 'event', name: string) {
  const found = abi.find((entry) => entry.type === type && 'name' in entry && entry.name === name);
  if (found === undefined) throw new Error(`the ABI has no ${type} ${name}`);
  return found;
}

async function read(vector: ViewCase): Promise<{ result: ViewResult; calldata: Hex }> {
  const { rpc, seen } = rpcThatReturns(vector.return_data);
  const functionName = vector.signature.slice(0, vector.signature.indexOf('('));
  const args = vector.args.map((text) => (text.startsWith('0x') ? text : BigInt(text)));
  const result = await rpc.trip(new AbortController().signal, ({ views }) => views.readOne({ address: ADDRESS, abi: ABIS[vector.contract], functionName, args }));
  return { result, calldata: seen[0]! };
}

describeVectors<ChainFile>('chain.json', ({ file, cases }) => {
  cases(file.cases, 'view', async (vector) => {
    const { result, calldata } = await read(vector);
    expect(calldata).toBe(vector.calldata);
    expect(calldata.startsWith(vector.selector)).toBe(true);
    // In an open case, the read may fail, or it may return a value that a later rule drops.
    if (vector.open === true) {
      expect(!result.ok || JSON.stringify(plain(result.value)).includes('\uFFFD')).toBe(true);
      return;
    }
    if (vector.expect.refuse !== undefined) expect(result.ok).toBe(false);
    else expect(result.ok ? plain(result.value) : result).toEqual(vector.expect.decoded);
  });

  cases(file.claims, 'claim', async (vector) => {
    const hash: Hash32 = `0x${vector.hash}` as Hash32;
    expect(claimCalldata(hash)).toBe(vector.calldata);
    const { chain } = vector;
    const fees = freshFees({ baseFee: BigInt(chain.base_fee), tip: BigInt(chain.priority_fee) }, 50_000_000_000n)!;
    const transaction = claimTransaction(hash, { ...fees, chainId: chain.chain_id, nonce: chain.nonce, kmsRegistry: chain.to });
    const server = await recordingServer({ raw_transaction: '0x02', transaction_hash: `0x${'00'.repeat(32)}` });
    const odyn = new OdynClient({ baseUrl: server.url }, { clock: systemClock });
    await odyn.signTransaction(transaction);
    await odyn.close();
    await server.close();
    expect(server.bodies).toEqual([vector.expect.sign_tx]);
  });

  cases(file.selectors, 'selector', (vector) => {
    const name = vector.signature!.slice(0, vector.signature!.indexOf('('));
    const abi = [...novaAppRegistryAbi, ...kmsRegistryAbi] as Abi;
    expect(toFunctionSelector(abiEntry(abi, 'function', name) as AbiFunction)).toBe(vector.selector);
  });

  cases(file.errors, 'error', (vector) => {
    const entry = abiEntry(kmsRegistryAbi, 'error', vector.name!);
    expect(toFunctionSelector({ ...entry, type: 'function', outputs: [], stateMutability: 'view' } as unknown as AbiFunction)).toBe(vector.selector);
  });

  cases(file.events, 'event', (vector) => {
    expect(toEventSelector(abiEntry(kmsRegistryAbi, 'event', vector.name!) as AbiEvent)).toBe(vector.topic0);
  });
});

