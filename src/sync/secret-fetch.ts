/**
 * Fetches the master secret (protocol.md §5, §9.1, §9.5). This node asks one member after another, and each has a head start before the
 * next is asked. If a member refuses, does not answer or sends a wrong secret, the answer from another member is used. A secret is
 * compared with the chain hash before it is installed. The secret never leaves the vault.
 */
import type { SecretRequest } from '../crypto/vault.ts';
import { DependencyError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log, Random } from '../domain/ports.ts';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';
import { askOrder } from './ask-order.ts';
import { hedged } from './hedged.ts';
import { secretAnswer } from './messages.ts';
import type { PeerBook } from './peer-book.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';

/** If no member has sent the secret within this time, the next member is asked as well. Milliseconds. */
const HEAD_START_MS = 250;
const MAX_PARALLEL = 4;

export type SecretOutcome =
  | { readonly kind: 'installed'; readonly from: Wallet }
  | { readonly kind: 'failed'; readonly reason: Reason };

/** Opens a secret that a member sealed, and installs it if it matches the chain hash (§9.1). The bytes stay in the vault. */
export interface SecretIntake {
  beginSecretRequest(): SecretRequest;
  receiveSecret(request: SecretRequest, sealed: unknown, from: Wallet): 'installed' | 'already_confirmed' | 'does_not_open' | 'wrong_hash';
  endSecretRequest(request: SecretRequest): void;
}

export interface SecretFetchModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly secret: SecretIntake;
  readonly book: PeerBook;
  readonly conversation: Pick<PeerConversation, 'exchange'>;
}

/** Number of members asked, by outcome. */
interface Tally {
  silent: number;
  refused: number;
  wrong: number;
  broken: number;
}

export class SecretFetch {
  readonly #modules: SecretFetchModules;

  constructor(modules: SecretFetchModules) {
    this.#modules = modules;
  }

  /** @param members all members except this node */
  async fetchMasterSecret(members: readonly Member[], signal: AbortSignal): Promise<SecretOutcome> {
    const { book, clock, random } = this.#modules;
    const tally: Tally = { silent: 0, refused: 0, wrong: 0, broken: 0 };
    const order = askOrder(members, null, (member) => book.standingOf(member), random.unit());
    const from = await hedged(order, { headStartMs: HEAD_START_MS, maxParallel: MAX_PARALLEL }, clock, signal, (member, limit) =>
      this.#ask(member, limit, tally),
    );
    return from === null ? { kind: 'failed', reason: explain(members.length, tally) } : { kind: 'installed', from };
  }

  async #ask(member: Member, signal: AbortSignal, tally: Tally): Promise<Wallet | null> {
    const { secret, conversation, book, log } = this.#modules;
    const request = secret.beginSecretRequest();
    try {
      const answer = await conversation.exchange(
        member,
        { type: 'master_secret_request', ecdh_pubkey: request.ecdhPubkey },
        { timeoutMs: PEER_TIMEOUT_MS.secret, maxAnswerBytes: SMALL_ANSWER_BYTES, signal },
      );
      signal.throwIfAborted();
      const parsed = secretAnswer.safeParse(answer);
      const received = secret.receiveSecret(request, parsed.success ? parsed.data.sealed : null, member.wallet);
      if (received === 'installed') return member.wallet;
      if (received === 'already_confirmed') return null;
      book.noteWrong(member);
      tally.wrong += 1;
      log.warn('a member sent a master secret that the chain does not confirm', { member: member.wallet, what: received });
      return null;
    } catch (error) {
      if (signal.aborted) return null;
      this.#count(member, error, tally);
      return null;
    } finally {
      secret.endSecretRequest(request);
    }
  }

  #count(member: Member, error: unknown, tally: Tally): void {
    if (error instanceof PeerError) {
      if (error.failure === 'refused') tally.refused += 1;
      else if (error.provesWrong || error.failure === 'bad_nonce') tally.broken += 1;
      else tally.silent += 1;
      this.#modules.log.debug('a member sent no master secret', { member: member.wallet, why: error.message });
    } else if (error instanceof DependencyError) {
      tally.broken += 1;
      this.#modules.log.warn('a member could not be asked for the master secret', { member: member.wallet, why: error.message });
    } else {
      throw error;
    }
  }
}

function explain(asked: number, { silent, refused, wrong, broken }: Tally): Reason {
  if (asked === 0) return reason(REASONS.nobodyHoldsSecret, 'there is no other member');
  const detail = `asked ${asked}: ${silent} silent, ${refused} refused, ${wrong} with a different secret, ${broken} with a bad answer`;
  if (wrong > 0) return reason(REASONS.secretHashMismatch, detail);
  return reason(broken > 0 ? REASONS.secretSyncFailed : REASONS.nobodyHoldsSecret, detail);
}
