/**
 * What this node remembers of each peer between conversations (protocol.md §10): the nonce it gave for the next request,
 * whether it echoes request ids, its store_id, how often it may be asked, and until when it is asked after others because it
 * was silent or proved wrong. Bounded by the membership; a peer with another teePubkey is another peer.
 */
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock } from '../domain/ports.ts';
import type { Standing } from './ask-order.ts';

/** A peer that gives no next nonce is asked this often: one in 3 s, bursts of 5. */
const POLITE_INTERVAL_MS = 3_000;
const POLITE_BURST = 5;
/** A given nonce is used within half of the usual life of nonces, else a fresh one is fetched. Milliseconds. */
const NEXT_NONCE_LIFE_MS = 60_000;
/** How long a peer that did not answer in time is asked after those that may. Short: it may be back. Milliseconds. */
const SILENT_MS = 60_000;

export interface PeerState {
  readonly teePubkey: TeePubkey | '';
  nextNonce: { readonly text: string; readonly givenAtMs: number } | null;
  echoes: boolean;
  /** It has given a good answer. */
  answered: boolean;
  storeId: string | null;
  /** Monotonic milliseconds; 0: never proved wrong. */
  wrongUntilMs: number;
  /** Monotonic milliseconds; 0: not silent lately. */
  silentUntilMs: number;
  /** Monotonic milliseconds before which it asked not to be asked. */
  notBeforeMs: number;
  tokens: number;
  tokensAtMs: number;
}

export class PeerBook {
  readonly #blacklistMs: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #peers = new Map<Wallet, PeerState>();

  /** @param options blacklistMs: `PEER_BLACKLIST_DURATION_SECONDS` in milliseconds */
  constructor(options: { readonly blacklistMs: number }, modules: { readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#blacklistMs = options.blacklistMs;
    this.#clock = modules.clock;
  }

  stateOf(member: Member): PeerState {
    const known = this.#peers.get(member.wallet);
    if (known?.teePubkey === member.teePubkey) return known;
    const fresh: PeerState = {
      teePubkey: member.teePubkey,
      nextNonce: null,
      echoes: false,
      answered: false,
      storeId: null,
      wrongUntilMs: 0,
      silentUntilMs: 0,
      notBeforeMs: 0,
      tokens: POLITE_BURST,
      tokensAtMs: this.#clock.monotonicMs(),
    };
    this.#peers.set(member.wallet, fresh);
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= MAX_MEMBERS) break;
      this.#peers.delete(oldest);
    }
    return fresh;
  }

  /** Forgets those that are no longer members. */
  keepOnly(members: readonly Member[]): void {
    const wallets = new Set(members.map(({ wallet }) => wallet));
    for (const wallet of this.#peers.keys()) if (!wallets.has(wallet)) this.#peers.delete(wallet);
  }

  noteWrong(member: Member): void {
    this.stateOf(member).wrongUntilMs = this.#clock.monotonicMs() + this.#blacklistMs;
  }

  isWrong(member: Member): boolean {
    return this.stateOf(member).wrongUntilMs > this.#clock.monotonicMs();
  }

  /** It did not answer in time. */
  noteSilent(member: Member): void {
    this.stateOf(member).silentUntilMs = this.#clock.monotonicMs() + SILENT_MS;
  }

  /** It gave a good answer: its silence is forgotten. That it proved wrong is not. */
  noteAnswered(member: Member): void {
    this.stateOf(member).silentUntilMs = 0;
  }

  standingOf(member: Member): Standing {
    if (this.isWrong(member)) return 'wrong';
    return this.stateOf(member).silentUntilMs > this.#clock.monotonicMs() ? 'silent' : 'good';
  }

  /** The nonce that the peer gave with its last answer, once, while it is fresh. */
  takeNonce(member: Member): string | null {
    const state = this.stateOf(member);
    const given = state.nextNonce;
    state.nextNonce = null;
    const fresh = given !== null && this.#clock.monotonicMs() - given.givenAtMs < NEXT_NONCE_LIFE_MS;
    return fresh ? given.text : null;
  }

  /** Milliseconds to wait before a nonce may be asked for; takes the place that comes then. */
  reserveNonceRequest(member: Member): number {
    const state = this.stateOf(member);
    const nowMs = this.#clock.monotonicMs();
    const refilled = Math.min(POLITE_BURST, state.tokens + (nowMs - state.tokensAtMs) / POLITE_INTERVAL_MS);
    state.tokensAtMs = nowMs;
    state.tokens = refilled - 1;
    const turnMs = state.tokens >= 0 ? 0 : Math.ceil(-state.tokens * POLITE_INTERVAL_MS);
    return Math.max(turnMs, state.notBeforeMs - nowMs, 0);
  }

  /** Gives back the place of a request for a nonce that is not made after all. */
  releaseNonceRequest(member: Member): void {
    const state = this.stateOf(member);
    state.tokens = Math.min(POLITE_BURST, state.tokens + 1);
  }
}
