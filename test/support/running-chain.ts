/** A real chain that has KMSRegistry and NovaAppRegistry, and mines a block for each transaction. */
import { createPublicClient, createWalletClient, http, type Hex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';
import { startAnvil } from '../../src/dev/anvil.ts';
import { DevChain } from '../../src/dev/dev-chain.ts';
import { Rpc } from '../../src/registry/rpc.ts';
import { MULTICALL3 } from '../../src/registry/views.ts';
import { hastyClock } from './hasty-clock.ts';

const DEV_MNEMONIC = 'test test test test test test test test test test test junk';

export async function runningChain() {
  const anvil = await startAnvil({ port: 0, blockTimeSeconds: null });
  try {
    const chain = await DevChain.deploy(anvil.url);
    return { chain, url: anvil.url, close: () => anvil.stop() };
  } catch (error) {
    await anvil.stop();
    throw error;
  }
}

export type RunningChain = Awaited<ReturnType<typeof runningChain>>;

/** An account of the development chain with funds for gas. @param index 0 is the account of the contracts' owner */
export function accountOf(url: string, index: number) {
  const account = mnemonicToAccount(DEV_MNEMONIC, { addressIndex: index });
  return { account, client: createWalletClient({ account, chain: foundry, transport: http(url) }) };
}

/** A file of the viem package with the code that deploys Multicall3. The package does not export this file. */
const MULTICALL3_CREATION = new URL('../../node_modules/viem/_esm/constants/contracts.js', import.meta.url).href;

/** Deploys Multicall3 at the address that it has on every chain. */
export async function installMulticall3({ chain, url }: Pick<RunningChain, 'chain' | 'url'>): Promise<void> {
  const { client } = accountOf(url, 9);
  const { multicall3Bytecode } = (await import(MULTICALL3_CREATION)) as { readonly multicall3Bytecode: Hex };
  const hash = await client.deployContract({ abi: [], bytecode: multicall3Bytecode });
  const { contractAddress } = await chain.client.waitForTransactionReceipt({ hash });
  const code = await createPublicClient({ transport: http(url) }).getCode({ address: contractAddress! });
  await chain.test.setCode({ address: MULTICALL3, bytecode: code as Hex });
}

/** Replaces an answer from the chain: returns the new answer, such as `{ result: null }`, or null to keep the chain's answer. */
export type Mar = (question: { readonly method: string; readonly params: readonly unknown[]; readonly number: number }) => object | null;

/**
 * An RPC that counts its round trips. It also counts the waves of requests: a wave begins when a request is sent while no other request
 * is under way.
 */
export function countingRpc(url: string, mar: Mar = () => null) {
  const trips = { counted: 0, waves: 0, requests: 0 };
  let underWay = 0;
  const counting: typeof globalThis.fetch = async (input, init) => {
    if (underWay === 0) trips.waves += 1;
    underWay += 1;
    trips.requests += 1;
    try {
      const { id, method, params } = JSON.parse(init?.body as string) as { id: number; method: string; params: unknown[] };
      const marred = mar({ method, params, number: trips.requests });
      if (marred !== null) return new Response(JSON.stringify({ jsonrpc: '2.0', id, ...marred }));
      const answer = await fetch(input, init);
      const body = await answer.arrayBuffer();
      return new Response(body, { status: answer.status, headers: answer.headers });
    } finally {
      underWay -= 1;
    }
  };
  const rpc = new Rpc({ url }, { clock: hastyClock().clock, fetch: counting, onRoundTrip: () => (trips.counted += 1) });
  return {
    rpc,
    trips,
    reset: () => Object.assign(trips, { counted: 0, waves: 0, requests: 0 }),
  };
}
