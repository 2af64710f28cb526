/**
 * What this node remembers about each peer between exchanges (protocol.md §10): the nonce for the next request, whether the peer echoes
 * request ids, its store_id, and how often it may be asked for a nonce. For a while, a peer that was silent or sent a wrong answer is asked
 * only after the other peers. The book has at most one entry per member. A peer whose teePubkey has changed is treated as a new peer.
 */
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock } from '../domain/ports.ts';
import type { Standing } from './ask-order.ts';

/** How often a peer may be asked for a nonce if its answers contain none: once every 3 s on average, with bursts of at most 5. */
const POLITE_INTERVAL_MS = 3_000;
const POLITE_BURST = 5;
/** How long this node may use a nonce from an answer: half of a nonce's usual lifetime. After that, it fetches a new one. Milliseconds. */
const NEXT_NONCE_LIFE_MS = 60_000;
/** How long a peer that did not answer in time ranks behind the good peers. This is short, because the peer may recover. Milliseconds. */
const SILENT_MS = 60_000;

export interface PeerState {
  readonly teePubkey: TeePubkey | '';
  nextNonce: { readonly text: string; readonly givenAtMs: number } | null;
  echoes: boolean;
  /** Whether the peer has sent a good answer. */
  answered: boolean;
  storeId: string | null;
  /** Until this time, the peer is asked last because it sent a wrong answer; 0 if it never did. Monotonic milliseconds. */
  wrongUntilMs: number;
  /** Until this time, the peer is asked after the good peers because it was silent; 0 if it was not. Monotonic milliseconds. */
  silentUntilMs: number;
  /** The peer asked this node not to send a request before this time. Monotonic milliseconds. */
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

  /** Forgets peers that are no longer members. */
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

  /** Notes that the peer did not answer in time. */
  noteSilent(member: Member): void {
    this.stateOf(member).silentUntilMs = this.#clock.monotonicMs() + SILENT_MS;
  }

  /** Notes that the peer sent a good answer. The peer is no longer considered silent, but may still be considered wrong. */
  noteAnswered(member: Member): void {
    this.stateOf(member).silentUntilMs = 0;
  }

  standingOf(member: Member): Standing {
    if (this.isWrong(member)) return 'wrong';
    return this.stateOf(member).silentUntilMs > this.#clock.monotonicMs() ? 'silent' : 'good';
  }

  /** Returns the nonce from the peer's last answer and forgets it; null if there is none or it is too old. */
  takeNonce(member: Member): string | null {
    const state = this.stateOf(member);
    const given = state.nextNonce;
    state.nextNonce = null;
    const fresh = given !== null && this.#clock.monotonicMs() - given.givenAtMs < NEXT_NONCE_LIFE_MS;
    return fresh ? given.text : null;
  }

  /** Reserves the next request for a nonce. @returns milliseconds to wait before the request may be sent */
  reserveNonceRequest(member: Member): number {
    const state = this.stateOf(member);
    const nowMs = this.#clock.monotonicMs();
    const refilled = Math.min(POLITE_BURST, state.tokens + (nowMs - state.tokensAtMs) / POLITE_INTERVAL_MS);
    state.tokensAtMs = nowMs;
    state.tokens = refilled - 1;
    const turnMs = state.tokens >= 0 ? 0 : Math.ceil(-state.tokens * POLITE_INTERVAL_MS);
    return Math.max(turnMs, state.notBeforeMs - nowMs, 0);
  }

  /** Gives back the reservation when the request for a nonce is not sent after all. */
  releaseNonceRequest(member: Member): void {
    const state = this.stateOf(member);
    state.tokens = Math.min(POLITE_BURST, state.tokens + 1);
  }
}
