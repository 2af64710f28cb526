/**
 * Claims the master secret's hash (protocol.md §1, §6): reads the head, simulates the claim, has the enclave sign it, and sends it. If the
 * claim would revert, is pending, is underpriced or gets no answer, the result is a report, not an error. The next read of the head shows
 * the outcome.
 */
import { BaseError, encodeFunctionData, TransactionReceiptNotFoundError, type Hex } from 'viem';
import { DependencyError } from '../domain/errors.ts';
import { parseHash32, ZERO_HASH, type Hash32, type Wallet } from '../domain/ids.ts';
import type { ClaimReport } from '../domain/membership.ts';
import type { Enclave, Log, UnsignedTransaction } from '../domain/ports.ts';
import { kmsRegistryAbi } from './abi.ts';
import { CLAIM_GAS, planClaim, raisedFees, type ChainFacts, type ClaimFees, type LastTry } from './claim-plan.ts';
import type { Rpc } from './rpc.ts';
import { judgeSending, type Sending } from './sending.ts';
import { isExecutionFailure } from './views.ts';

/** Maximum number of sends in one call of `claim`. Each later send has higher fees or a new nonce. The next call raises the fees further. */
const SEND_ATTEMPTS = 6;
/** Maximum number of sent transactions to remember for one hash. Their receipts show whether one of them set the hash. */
const MAX_REMEMBERED = 32;

const REFUSALS: Readonly<Record<Exclude<Sending, 'taken' | 'known'>, string>> = {
  underpriced: 'the claim is underpriced',
  nonce_used: 'another transaction has used the nonce of the claim',
  no_funds: 'the wallet cannot pay for the claim',
  refused: 'the RPC did not accept the claim',
};
const TOO_DEAR = 'a claim that miners would include needs a higher tip than CLAIM_MAX_TIP_GWEI, or more than 0.05 ether in all';

/** The calldata of a claim. */
export function claimCalldata(hash: Hash32): Hex {
  return encodeFunctionData({ abi: kmsRegistryAbi, functionName: 'setMasterSecretHash', args: [hash] });
}

export interface ClaimTransactionFacts extends ClaimFees {
  readonly chainId: number;
  readonly nonce: number;
  readonly kmsRegistry: Wallet;
}

/** The transaction that the enclave signs. */
export function claimTransaction(hash: Hash32, facts: ClaimTransactionFacts): UnsignedTransaction {
  return {
    chainId: facts.chainId,
    nonce: facts.nonce,
    maxPriorityFeePerGas: facts.maxPriorityFeePerGas,
    maxFeePerGas: facts.maxFeePerGas,
    gasLimit: CLAIM_GAS,
    to: facts.kmsRegistry,
    value: 0n,
    data: claimCalldata(hash),
  };
}

interface SentTransaction {
  readonly wallet: Wallet;
  readonly nonce: number;
  readonly transactionHash: Hash32;
}

export interface ClaimSenderOptions {
  readonly kmsRegistry: Wallet;
  /** `CLAIM_MAX_TIP_GWEI` in wei. */
  readonly claimMaxTip: bigint;
}

export interface ClaimSenderModules {
  readonly rpc: Rpc;
  readonly enclave: Pick<Enclave, 'address' | 'signTransaction'>;
  readonly log: Log;
  /** The highest block at which a view was read. A head below this block is out of date. */
  readonly leastHead: () => bigint;
  /** The chain ID that the last good view showed; null before the first good view. */
  readonly chainId: () => number | null;
}

/** `chainId`: the chain for which the claim is signed. */
type FactsOnChain = ChainFacts & { readonly chainId: number };

export class ClaimSender {
  readonly #kmsRegistry: Wallet;
  readonly #maxTip: bigint;
  readonly #rpc: Rpc;
  readonly #enclave: Pick<Enclave, 'address' | 'signTransaction'>;
  readonly #log: Log;
  readonly #leastHead: () => bigint;
  readonly #chainId: () => number | null;
  /** The last attempt, even if it was refused because of its price. */
  #last: (Omit<LastTry, 'isSameHash'> & { readonly wallet: Wallet; readonly hash: Hash32; readonly transactionHash: Hash32 }) | null = null;
  /** The latest sent transactions that claim one hash. Any of them may have set the hash. */
  #sent: { readonly hash: Hash32; readonly transactions: readonly SentTransaction[] } | null = null;

  constructor(
    options: ClaimSenderOptions,
    modules: ClaimSenderModules,
  ) {
    this.#kmsRegistry = options.kmsRegistry;
    this.#maxTip = options.claimMaxTip;
    this.#rpc = modules.rpc;
    this.#enclave = modules.enclave;
    this.#log = modules.log;
    this.#leastHead = modules.leastHead;
    this.#chainId = modules.chainId;
  }

  /** @throws DependencyError when the hash cannot be read */
  async readHeadHash(signal: AbortSignal): Promise<Hash32> {
    const call = { address: this.#kmsRegistry as Hex, abi: kmsRegistryAbi, functionName: 'masterSecretHash' };
    const result = await this.#rpc.trip(signal, ({ views }) => views.readOne(call));
    const hash = result.ok ? parseHash32(result.value as string) : null;
    if (hash === null) throw new DependencyError('chain', 'malformed', 'the hash at the head cannot be read');
    return hash;
  }

  /** Whether a transaction of this process set this hash. @throws DependencyError when the chain cannot be read */
  async hasClaimed(hash: Hash32, signal: AbortSignal): Promise<boolean> {
    const sent = this.#sent?.hash === hash ? this.#sent.transactions : [];
    if (sent.length === 0) return false;
    const taken = await this.#wereTaken(sent, signal);
    return taken.includes(true);
  }

  async claim(hash: Hash32, signal: AbortSignal): Promise<ClaimReport> {
    const shown = await this.readHeadHash(signal);
    if (shown !== ZERO_HASH) return { kind: 'head_shows', hash: shown };
    const wallet = await this.#enclave.address(signal);
    // The nonces and fees of another wallet do not apply.
    if (this.#last?.wallet !== wallet) this.#last = null;
    const facts = await this.#readFacts(wallet, signal);
    // A backend that lags behind may still show zero although the hash has already been claimed.
    if (facts.head < this.#leastHead()) return { kind: 'refused', detail: 'the RPC shows an older block than before' };
    const reset = await this.#findReset(hash, wallet, facts, signal);
    if (reset !== null) return { kind: 'was_reset', transactionHash: reset };
    const last = this.#last === null ? null : { ...this.#last, isSameHash: this.#last.hash === hash };
    const plan = planClaim(last, facts, this.#maxTip);
    if (plan.kind === 'wait') return { kind: 'pending', transactionHash: last!.transactionHash };
    if (plan.kind === 'too_dear') return { kind: 'refused', detail: TOO_DEAR };
    const wouldFail = await this.#simulate(hash, wallet, signal);
    if (wouldFail !== null) return { kind: 'refused', detail: wouldFail };
    return this.#send(hash, wallet, plan, facts, signal);
  }

  /**
   * Called when the head shows zero. Finds an earlier transaction of this process that set this hash. If there is one, the owner has
   * reset the hash, and a hash that was reset is never claimed again (protocol.md §10).
   */
  async #findReset(hash: Hash32, wallet: Wallet, facts: ChainFacts, signal: AbortSignal): Promise<Hash32 | null> {
    if (this.#sent?.hash !== hash) return null;
    const used = this.#sent.transactions.filter((sent) => sent.wallet !== wallet || sent.nonce < facts.nonce);
    if (used.length === 0) return null;
    const taken = await this.#wereTaken(used, signal);
    const at = taken.indexOf(true);
    // The head was read before the receipts, so it is read again: it may show the claim now.
    return at >= 0 && (await this.readHeadHash(signal)) === ZERO_HASH ? used[at]!.transactionHash : null;
  }

  /** For each transaction, whether it is on the chain and succeeded. */
  async #wereTaken(sent: readonly SentTransaction[], signal: AbortSignal): Promise<readonly boolean[]> {
    return this.#rpc.trip(signal, ({ client }) =>
      Promise.all(
        sent.map(async ({ transactionHash }) => {
          try {
            return (await client.getTransactionReceipt({ hash: transactionHash })).status === 'success';
          } catch (error) {
            if (error instanceof TransactionReceiptNotFoundError) return false;
            throw error;
          }
        }),
      ),
    );
  }

  #remember(hash: Hash32, transaction: SentTransaction): void {
    const before = this.#sent?.hash === hash ? this.#sent.transactions : [];
    this.#sent = { hash, transactions: [...before, transaction].slice(-MAX_REMEMBERED) };
  }

  /** @throws DependencyError when the RPC reports a chain ID that differs from the one in the last good view */
  async #readFacts(wallet: Wallet, signal: AbortSignal): Promise<FactsOnChain> {
    const expected = this.#chainId();
    return this.#rpc.trip(signal, async ({ client }) => {
      const [block, nonce, tip, chainId] = await Promise.all([
        client.getBlock({ blockTag: 'latest' }),
        client.getTransactionCount({ address: wallet as Hex, blockTag: 'latest' }),
        client.estimateMaxPriorityFeePerGas(),
        client.getChainId(),
      ]);
      // A claim that is signed for another chain would be useless.
      if (expected !== null && chainId !== expected) throw new DependencyError('chain', 'malformed', `the RPC reports the chain ID ${chainId}, not ${expected}`);
      return { head: block.number, nonce, baseFee: block.baseFeePerGas ?? 0n, tip, chainId };
    });
  }

  /** Why the contract would revert: the name of the error if it has a name. Null if the contract would accept the claim. */
  async #simulate(hash: Hash32, wallet: Wallet, signal: AbortSignal): Promise<string | null> {
    return this.#rpc.trip(signal, async ({ client }) => {
      try {
        await client.simulateContract({
          address: this.#kmsRegistry as Hex,
          abi: kmsRegistryAbi,
          functionName: 'setMasterSecretHash',
          args: [hash],
          account: wallet as Hex,
        });
        return null;
      } catch (error) {
        if (!isExecutionFailure(error)) throw error;
        return errorName(error);
      }
    });
  }

  async #send(
    hash: Hash32,
    wallet: Wallet,
    plan: ClaimFees & { readonly nonce: number },
    facts: FactsOnChain,
    signal: AbortSignal,
  ): Promise<ClaimReport> {
    let { nonce } = plan;
    let fees: ClaimFees = plan;
    let sending: Sending = 'refused';
    for (let attempt = 1; attempt <= SEND_ATTEMPTS; attempt += 1) {
      const transaction = claimTransaction(hash, { ...fees, nonce, chainId: facts.chainId, kmsRegistry: this.#kmsRegistry });
      const signed = await this.#enclave.signTransaction(transaction, signal);
      const { transactionHash } = signed;
      // The claim is remembered before it is sent, because it may be under way even if the answer is lost.
      this.#last = { ...fees, wallet, nonce, sentAt: facts.head, hash, transactionHash, became: 'taken' };
      this.#remember(hash, { wallet, nonce, transactionHash });
      sending = await this.#sendRaw(signed.rawTransaction, signal);
      if (sending === 'taken' || sending === 'known') return { kind: 'pending', transactionHash };
      if (sending === 'underpriced') {
        // An earlier process with this wallet may have left a claim with higher fees in the pool.
        this.#last = { ...this.#last, became: 'refused' };
        const more = raisedFees(fees, facts, this.#maxTip);
        if (more === null) return { kind: 'refused', detail: TOO_DEAR };
        fees = more;
      } else if (sending === 'nonce_used') {
        // An earlier claim of this node may have been mined in the meantime.
        const shown = await this.readHeadHash(signal);
        if (shown !== ZERO_HASH) return { kind: 'head_shows', hash: shown };
        nonce = (await this.#readFacts(wallet, signal)).nonce;
      } else break;
    }
    if (sending !== 'underpriced') this.#last = null;
    this.#log.warn('the claim of the master secret hash was not accepted', { why: sending });
    return { kind: 'refused', detail: REFUSALS[sending] };
  }

  async #sendRaw(raw: Hex, signal: AbortSignal): Promise<Sending> {
    const isAnswer = ({ message }: { readonly message: string }): boolean => judgeSending(message) !== 'refused';
    try {
      await this.#rpc.trip(signal, ({ client }) => client.sendRawTransaction({ serializedTransaction: raw }), isAnswer);
      return 'taken';
    } catch (error) {
      if (error instanceof DependencyError) {
        if (error.failure === 'aborted') throw error;
        // Without an answer, the RPC may still have accepted the transaction. The head will then show the claim.
        return error.failure === 'refused' || (error.status !== undefined && error.status < 0) ? 'refused' : 'taken';
      }
      const said = error instanceof BaseError ? (error.walk() as { readonly message?: unknown }).message : null;
      return judgeSending(said);
    }
  }
}

function errorName(error: unknown): string {
  const revert = error instanceof BaseError ? error.walk((cause) => (cause as Error).name === 'ContractFunctionRevertedError') : null;
  const name = (revert as { data?: { errorName?: string } } | null)?.data?.errorName;
  return name !== undefined && /^\w{1,64}$/.test(name) ? name : 'the claim would revert';
}
