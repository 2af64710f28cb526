/**
 * The first snapshot (protocol.md §10, First snapshot and Pages): page by page from one member, the next one when it fails
 * half-way. A member that lacks its own says so and is left after its first page while others have not been asked; if
 * nobody is complete, all that the incomplete ones have is merged. Whether that is enough is not decided here.
 */
import { DependencyError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import { MAX_SNAPSHOT_PAGE_BYTES, PEER_TIMEOUT_MS } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log, Random } from '../domain/ports.ts';
import { askOrder } from './ask-order.ts';
import { hedged } from './hedged.ts';
import { snapshotAnswer } from './messages.ts';
import type { PeerBook } from './peer-book.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';
import type { SyncStore } from './ports.ts';

/** How long a member is waited for before the next is asked for its first page too. Milliseconds. */
const HEAD_START_MS = 500;
const MAX_PARALLEL = 4;
/** Pages of one snapshot; a member that gives more does not come to an end. */
const MAX_PAGES = 8_192;

export interface SnapshotOutcome {
  /** Members whose first page was asked for. */
  readonly asked: number;
  /** Members whose snapshot was merged to its end. */
  readonly answered: number;
  readonly completeFrom: Wallet | null;
}

export interface SnapshotFetchOptions {
  /** The longest answer that is taken: older members send all at once. `MAX_SYNC_PAYLOAD_BYTES`. */
  readonly maxAnswerBytes: number;
}

export interface SnapshotFetchModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly book: PeerBook;
  readonly conversation: Pick<PeerConversation, 'exchange'>;
  readonly store: SyncStore;
}

interface Page {
  readonly data: Record<string, unknown>;
  readonly complete: boolean;
  readonly nextCursor: string | null;
}

interface Giver {
  readonly member: Member;
  readonly page: Page;
}

export class SnapshotFetch {
  readonly #options: SnapshotFetchOptions;
  readonly #modules: SnapshotFetchModules;

  constructor(options: SnapshotFetchOptions, modules: SnapshotFetchModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** @param members without this node  @param preferred asked first */
  async fetchFirstSnapshot(members: readonly Member[], preferred: Wallet | null, signal: AbortSignal): Promise<SnapshotOutcome> {
    const { clock, random, book, log } = this.#modules;
    const asked = new Set<Wallet>();
    const given = new Set<Wallet>();
    const incomplete: Giver[] = [];
    let left = askOrder(members, preferred, (member) => book.isWrong(member), random.unit());
    while (left.length > 0) {
      const failed = new Set<Member>();
      const giver = await hedged(left, { headStartMs: HEAD_START_MS, maxParallel: MAX_PARALLEL }, clock, signal, async (member, limit) => {
        asked.add(member.wallet);
        const page = await this.#page(member, null, limit);
        if (page?.complete === true) return { member, page };
        if (!limit.aborted) failed.add(member);
        if (page !== null) incomplete.push({ member, page });
        return null;
      });
      if (giver === null) break;
      if (await this.#mergeAll(giver, signal)) {
        log.info('first snapshot taken over', { from: giver.member.wallet });
        return { asked: asked.size, answered: given.size + 1, completeFrom: giver.member.wallet };
      }
      left = left.filter((member) => member !== giver.member && !failed.has(member));
    }
    for (const giver of incomplete) if (await this.#mergeAll(giver, signal)) given.add(giver.member.wallet);
    return { asked: asked.size, answered: given.size, completeFrom: null };
  }

  /** Merges a member's pages to the end; false when it fails on the way. */
  async #mergeAll({ member, page: first }: Giver, signal: AbortSignal): Promise<boolean> {
    const { store, book, log } = this.#modules;
    let page: Page | null = first;
    for (let count = 1; page !== null && count <= MAX_PAGES; count += 1) {
      const report = await store.mergeBatch(page.data);
      signal.throwIfAborted();
      if (report.total > 0 && report.rejected === report.total) {
        book.noteWrong(member);
        log.warn('a snapshot page held no good record', { from: member.wallet, rejected: report.rejected });
        return false;
      }
      if (page.nextCursor === null) return true;
      page = await this.#page(member, page.nextCursor, signal);
    }
    return false;
  }

  /** One page, or null when the member does not give it. */
  async #page(member: Member, cursor: string | null, signal: AbortSignal): Promise<Page | null> {
    const { conversation, book, log } = this.#modules;
    try {
      const answer = await conversation.exchange(
        member,
        { type: 'snapshot_request', max_bytes: MAX_SNAPSHOT_PAGE_BYTES, ...(cursor === null ? {} : { cursor }) },
        { timeoutMs: PEER_TIMEOUT_MS.snapshot, maxAnswerBytes: this.#options.maxAnswerBytes, signal },
      );
      const parsed = snapshotAnswer.safeParse(answer);
      if (!parsed.success || parsed.data.next_cursor === cursor) {
        if (parsed.success && cursor === null) return toPage(parsed.data);
        book.noteWrong(member);
        return null;
      }
      return toPage(parsed.data);
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof PeerError || error instanceof DependencyError)) throw error;
      log.debug('a member gave no snapshot page', { member: member.wallet, why: error.message });
      return null;
    }
  }
}

function toPage(answer: { data: Record<string, unknown>; complete?: boolean | undefined; next_cursor?: string | null | undefined }): Page {
  return { data: answer.data, complete: answer.complete !== false, nextCursor: answer.next_cursor ?? null };
}
