/** Reorganisations of the development chain: the last blocks are replaced by the same number of different blocks. */
import type { DevChain } from '../../../src/dev/dev-chain.ts';

export type Transaction = `0x${string}`;

async function call(chain: DevChain, method: string, parameters: readonly unknown[]): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: parameters });
  const answer = await fetch(chain.url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  const { result, error } = (await answer.json()) as { result?: unknown; error?: { message: string } };
  if (error !== undefined) throw new Error(`${method} failed: ${error.message}`);
  return result;
}

/** The signed transaction with this hash, mined or pending. */
export async function rawTransaction(chain: DevChain, hash: string): Promise<Transaction> {
  return (await call(chain, 'eth_getRawTransactionByHash', [hash])) as Transaction;
}

/** Replaces the last `depth` blocks with empty blocks. If `transaction` is given, the first new block contains it. */
export async function reorganise(chain: DevChain, depth: number, transaction?: Transaction): Promise<void> {
  await call(chain, 'anvil_reorg', [depth, transaction === undefined ? [] : [[transaction, 0]]]);
}
