/**
 * Types for what the rooms (folders of `src`) need from outside. Only the composition root and the adapters behind these ports use time,
 * randomness, the network or the environment. So a run with seeded ports can be repeated exactly.
 */
import type { AppRecord, ChainView, ClaimReport, HashReading, Membership } from './membership.ts';
import type { Hash32, TeePubkey, Wallet } from './ids.ts';
import type { QuotedJson } from './quoted-json.ts';

export type TimerId = unknown;

/** Time. XState uses this object as its clock. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump. */
  nowMs(): number;
  /**
   * Milliseconds since an arbitrary start, for durations and deadlines. Never goes back; may stop while the machine sleeps
   * (elapsed.ts).
   */
  monotonicMs(): number;
  setTimeout(callback: () => void, delayMs: number): TimerId;
  clearTimeout(timer: TimerId): void;
}

/** Randomness of this process. The master secret's bytes come from the enclave instead. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1), for jitter. */
  unit(): number;
}

/** A fact that is added to a log sentence. The type excludes bytes and objects. */
export type LogFact = string | number | boolean | null | undefined;
export type LogFacts = Readonly<Record<string, LogFact>>;

/** A log line is a fixed sentence plus facts. Neither contains a key, a token, a plaintext or bytes from a peer. */
export interface Log {
  debug(sentence: string, facts?: LogFacts): void;
  info(sentence: string, facts?: LogFacts): void;
  warn(sentence: string, facts?: LogFacts): void;
  error(sentence: string, facts?: LogFacts): void;
  /** A logger that adds the name of the given room (folder of `src`) to every line. */
  child(room: string): Log;
}

/** An EIP-1559 transaction for the enclave to sign. All amounts are in wei or gas units. */
export interface UnsignedTransaction {
  readonly chainId: number;
  readonly nonce: number;
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerGas: bigint;
  readonly gasLimit: bigint;
  readonly to: Wallet;
  readonly value: bigint;
  readonly data: `0x${string}`;
}

export interface SignedTransaction {
  readonly rawTransaction: `0x${string}`;
  readonly transactionHash: Hash32;
}

/** A message encrypted with AES-GCM, under a key that is derived from two P-384 keys. Lower-case hex without `0x`. */
export interface SealedText {
  readonly senderPubkey: TeePubkey;
  readonly nonce: string;
  readonly encryptedData: string;
}

/** A text, or long JSON in pieces. `String(plaintext)` is the text of both. */
export type Plaintext = string | QuotedJson;

/** The enclave API (protocol.md §7). A failed call throws DependencyError('enclave', ..). */
export interface Enclave {
  address(signal?: AbortSignal): Promise<Wallet>;
  /** The enclave's P-384 key; it changes at every enclave boot. */
  publicKey(signal?: AbortSignal): Promise<TeePubkey>;
  /** 32 bytes of enclave randomness. The caller wipes them. */
  random(signal?: AbortSignal): Promise<Uint8Array>;
  /** EIP-191 personal_sign; `0x` + 65 bytes, lower-case hex. */
  sign(message: string, signal?: AbortSignal): Promise<string>;
  signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction>;
  encrypt(plaintext: Plaintext, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText>;
  /** Throws with failure `refused` when the message does not decrypt (bad tag, bad key, replayed nonce). */
  decrypt(sealed: SealedText, signal?: AbortSignal): Promise<string>;
}

/** The enclave API's proof of what runs in the enclave (protocol.md §7). */
export interface Attester {
  /**
   * A document in CBOR. @param nonce base64, included in the document; null for a document without a nonce
   * @returns null if the enclave API makes no document. @throws DependencyError('enclave', ..)
   */
  attestation(nonce: string | null, signal?: AbortSignal): Promise<Buffer | null>;
}

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** An answer body above this many bytes is refused with `too_large`. */
  readonly maxAnswerBytes: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface TransportAnswer {
  readonly status: number;
  /** The names of the headers are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** HTTP to peers. Does not follow redirects. Throws DependencyError('peer', timeout | unreachable | too_large | aborted | refused). */
export interface Transport {
  request(request: TransportRequest): Promise<TransportAnswer>;
}

/** The chain as node_tick reads it (protocol.md §6). A failed call throws DependencyError('chain', ..). */
export interface Chain {
  /**
   * Reads the membership and the chain hash at one block, usually the block that is `CHAIN_CONFIRMATIONS` blocks behind the head. This
   * takes three round trips, rarely four.
   */
  readView(signal: AbortSignal): Promise<ChainView>;
  /** Reads only the chain hash, at the block of a view. Called when `readView` could not read the hash. */
  readHash(block: bigint, signal: AbortSignal): Promise<HashReading>;
  /** The chain hash at the head. It may stop a claim, but is never a reason to trust a secret. */
  readHeadHash(signal: AbortSignal): Promise<Hash32>;
  /** Reads the head, and sends the claim if no hash is set there. */
  claim(hash: Hash32, signal: AbortSignal): Promise<ClaimReport>;
  /** Whether this process sent the claim that set this hash on the chain. */
  hasClaimed(hash: Hash32, signal: AbortSignal): Promise<boolean>;
}

/** What the chain shows about an app's authorization, read through a cache. A failed read throws, and is not cached. */
export interface AppRegistry {
  lookup(wallet: Wallet): Promise<AppRecord>;
}

/** The peer cache: the membership of the last good refresh. */
export interface PeerDirectory {
  /** `null` until the first good refresh. */
  membership(): Membership | null;
  /** Milliseconds (monotonic clock) since the last good refresh; Infinity when there was none. */
  ageMs(): number;
}

/** Who this node is, as its enclave has reported. */
export interface Identity {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
}

/** A request to the chain's RPC. */
export interface FetchRequest {
  readonly method: 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal?: AbortSignal;
  readonly redirect?: 'manual';
}

export interface FetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** The body as chunks of bytes; null or absent if only `text` can read the body. */
  readonly body?: unknown;
  text(): Promise<string>;
}

/** Sends a request to the chain's RPC. The `fetch` of Node.js also has this type. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchAnswer>;
