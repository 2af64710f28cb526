/**
 * Compares this node's store with a peer's store and repairs both (protocol.md §10, Comparison), because pushes miss records when the
 * writer dies or the network is cut. A round compares the root digest, then the digests of apps, then the digests of buckets. For buckets
 * that differ, it merges the peer's records and pushes the records that the peer lacks. An older peer does not answer digest requests, so
 * from time to time a round fetches its complete snapshot instead.
 */
import type { z } from 'zod';
import { digestText, recordDigest } from '../crypto/record-digest.ts';
import { PEER_TIMEOUT_MS } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { MergeVerdict, WalkRequest, WireRecord } from '../domain/records.ts';
import { rootDigestOf } from './app-digests.ts';
import { BATCH_BYTES, isPassing, type Sent } from './delta-plan.ts';
import type { DeltaPush } from './delta-push.ts';
import { leftOutOf, mergeBatch, type MergeModules } from './merge-batch.ts';
import { appsAnswer, bucketsAnswer, rootAnswer } from './messages.ts';
import { createPacer } from './pacer.ts';
import { MAX_PAGES, requestPage, type Page } from './page-request.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';
import type { SyncStore } from './ports.ts';
import type { Replica } from './replica.ts';
import { noteFailedAsking, type SureListener } from './sure-members.ts';

/** Maximum number of differing buckets that are repaired together. It bounds how many of the peer's records this node remembers. */
const BUCKETS_AT_ONCE = 16;
/** Maximum number of pages of app digests that a round requests. Together these pages have room for more apps than any store can hold. */
const MAX_APP_PAGES = 1_024;
/** Maximum length of an answer to a digest request. The longest such answer is a page of app digests. Bytes. */
const MAX_DIGEST_ANSWER_BYTES = 4 * 1024 * 1024;

export interface AntiEntropyOptions {
  /** `MAX_SYNC_PAYLOAD_BYTES`. */
  readonly maxAnswerBytes: number;
}

export interface AntiEntropyModules extends Pick<MergeModules, 'onVerdict'> {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: SyncStore;
  readonly conversation: Pick<PeerConversation, 'exchange' | 'kindOf'>;
  readonly push: Pick<DeltaPush, 'send'>;
  readonly sureness: SureListener;
  readonly yieldNow: () => Promise<void>;
}

/** Called before each request of a round, so that pushes do not have to wait for the end of a long round. */
export type Between = () => Promise<void>;

/** A part of a store: all of it, or some buckets of one app. */
type Part = Omit<WalkRequest, 'cursor'>;

/** One running round. */
interface Course {
  readonly member: Member;
  readonly replica: Replica;
  readonly signal: AbortSignal;
  readonly between: Between;
  /** Whether the round also sends the records that the peer lacks. */
  readonly mendsPeer: boolean;
  /** Whether every answer so far has said that the peer is sure. */
  sure: boolean;
  /** Whether some records were left out (`too_far_ahead`, `store_full`). */
  leftOut: boolean;
}

const nothingBetween: Between = async () => undefined;

export class AntiEntropy {
  readonly #options: AntiEntropyOptions;
  readonly #modules: AntiEntropyModules;

  constructor(options: AntiEntropyOptions, modules: AntiEntropyModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /**
   * @returns whether the stores were compared; false for an older peer whose complete snapshot is not due yet
   * @throws PeerError, DependencyError
   */
  async compareWith(member: Member, replica: Replica, signal: AbortSignal, between: Between = nothingBetween): Promise<boolean> {
    return this.#compare({ member, replica, signal, between, mendsPeer: true, sure: true, leftOut: false });
  }

  /**
   * The half of a round that a node may run before it is ready: it merges the peer's records and sends none. Unlike `compareWith`, it
   * fetches no snapshot from an older peer.
   * @returns whether the stores were compared; false for an older peer
   * @throws PeerError, DependencyError
   */
  async takeFrom(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    return this.#compare({ member, replica, signal, between: nothingBetween, mendsPeer: false, sure: true, leftOut: false });
  }

  async #compare(course: Course): Promise<boolean> {
    const { store, sureness } = this.#modules;
    const { storeId } = store;
    try {
      const said = await this.#round(course);
      if (said) sureness.onMerged(course.member, { store: storeId, sure: course.sure, leftOut: course.leftOut });
      return said;
    } catch (error) {
      if (!course.signal.aborted) noteFailedAsking(sureness, course.member, error);
      throw error;
    }
  }

  async #round(course: Course): Promise<boolean> {
    const { conversation } = this.#modules;
    const { antiEntropy } = course.replica;
    const kind = conversation.kindOf(course.member);
    if (kind === 'older' || (kind === 'unknown' && antiEntropy.refusesDigests)) return this.#bySnapshot(course);
    try {
      await this.#byDigest(course);
      return true;
    } catch (error) {
      // A current peer knows digest requests, so it must have refused for another reason.
      if (!isUnknownType(error) || conversation.kindOf(course.member) === 'current') throw error;
      antiEntropy.noteRefusedDigest();
      return this.#bySnapshot(course);
    }
  }

  async #byDigest(course: Course): Promise<void> {
    const { store, clock } = this.#modules;
    store.letAge(clock.nowMs());
    const { root } = await this.#ask(course, {}, rootAnswer);
    if (root === (await rootDigestOf(this.#modules))) return;
    /** Apps that the peer listed and this node holds. Other listed apps are not noted, because a peer could fill the memory with them. */
    const named = new Set<string>();
    let cursor: string | undefined;
    for (let count = 0; count < MAX_APP_PAGES; count += 1) {
      const { apps, next_cursor: next = null } = await this.#ask(course, { apps: true, cursor }, appsAnswer);
      for (const [appId, digest] of Object.entries(apps)) {
        if (store.appDigest(appId) !== digest) await this.#mendApp(course, appId);
        if (store.appDigest(appId) !== null) named.add(appId);
      }
      if (next === null) {
        // The peer did not list this node's remaining apps, so this node sends their records.
        for (const appId of course.mendsPeer ? store.appIds() : []) if (!named.has(appId)) await this.#mendApp(course, appId);
        return;
      }
      if (next === cursor || Object.keys(apps).length === 0) break;
      cursor = next;
    }
    throw new PeerError('bad_answer', "the peer's list of apps does not end");
  }

  async #mendApp(course: Course, appId: string): Promise<void> {
    const { store, log } = this.#modules;
    const { buckets } = await this.#ask(course, { app: appId }, bucketsAnswer);
    const own = store.bucketDigests(appId);
    const wanted = own.flatMap((digest, index) => (digest === buckets[index] ? [] : [index]));
    if (wanted.length > 0) log.debug('repairing records that differ from those of a member', { member: course.member.wallet, app_id: appId, buckets: wanted.length });
    for (let at = 0; at < wanted.length; at += BUCKETS_AT_ONCE) {
      await this.#mend(course, { app: appId, buckets: wanted.slice(at, at + BUCKETS_AT_ONCE) });
    }
  }

  async #bySnapshot(course: Course): Promise<boolean> {
    const { antiEntropy } = course.replica;
    if (!antiEntropy.isWholeDue || !course.mendsPeer) return false;
    await this.#mend(course, {});
    antiEntropy.noteWhole();
    return true;
  }

  async #ask<Answer extends { readonly sure?: boolean | undefined }>(
    course: Course,
    question: { readonly apps?: true; readonly cursor?: string | undefined; readonly app?: string },
    form: z.ZodType<Answer>,
  ): Promise<Answer> {
    const { member, signal, between } = course;
    await between();
    const maxAnswerBytes = Math.min(this.#options.maxAnswerBytes, MAX_DIGEST_ANSWER_BYTES);
    const limits = { timeoutMs: PEER_TIMEOUT_MS.delta, maxAnswerBytes, signal };
    const parsed = form.safeParse(await this.#modules.conversation.exchange(member, { type: 'digest_request', ...question }, limits));
    if (!parsed.success) throw new PeerError('bad_answer', 'the answer to a digest request is malformed');
    this.#noteAnswer(course, parsed.data.sure === true);
    return parsed.data;
  }

  #noteAnswer(course: Course, sure: boolean): void {
    course.sure &&= sure;
    this.#modules.sureness.onAnswered(course.member, sure);
  }

  /** Merges the peer's records for a part of the store, then sends the records that the peer lacks and has not permanently refused. */
  async #mend(course: Course, part: Part): Promise<void> {
    const { store } = this.#modules;
    const theirs = await this.#takeOver(course, part);
    if (!course.mendsPeer) return;
    const pause = createPacer(this.#modules);
    let lacking: Sent[] = [];
    let bytes = 0;
    for (const { appId, record } of store.walk(part)) {
      await pause();
      const digest = store.digestOf(appId, record.key);
      if (digest === null || theirs.has(`${appId} ${digest}`) || course.replica.antiEntropy.isUnwanted(appId, digest)) continue;
      lacking.push({ appId, record });
      bytes += record.value?.length ?? 0;
      if (bytes < BATCH_BYTES) continue;
      await this.#send(course, lacking);
      lacking = [];
      bytes = 0;
    }
    await this.#send(course, lacking);
  }

  async #send({ member, replica, signal, between }: Course, lacking: readonly Sent[]): Promise<void> {
    await between();
    for (const { appId, record } of await this.#modules.push.send(member, lacking, signal)) {
      replica.antiEntropy.noteUnwanted(appId, digestText(recordDigest(record)));
    }
  }

  /**
   * Merges all records that the peer sends for a part of the store.
   * @returns app id and digest of each record that is now equal on both nodes; at most one entry for each record of this node
   */
  async #takeOver(course: Course, part: Part): Promise<ReadonlySet<string>> {
    const { member, replica, signal, between } = course;
    const { maxAnswerBytes } = this.#options;
    const { store, onVerdict: noteVerdict } = this.#modules;
    const theirs = new Set<string>();
    const onVerdict = (appId: string, wire: unknown, verdict: MergeVerdict): void => {
      noteVerdict?.(appId, wire, verdict);
      if (verdict.kind === 'rejected') return;
      const record = wire as WireRecord;
      // Peers may send hex in upper or lower case; the store holds lower case.
      const digest = digestText(recordDigest({ ...record, value: record.value?.toLowerCase() ?? null }));
      if (store.digestOf(appId, record.key) === digest) theirs.add(`${appId} ${digest}`);
    };
    let cursor: string | null = null;
    for (let count = 0; count < MAX_PAGES; count += 1) {
      await between();
      const page: Page = await requestPage(member, { part, cursor }, { maxAnswerBytes, signal }, this.#modules);
      this.#noteAnswer(course, page.sure);
      const leftOut = leftOutOf(await mergeBatch(page.data, { ...this.#modules, onVerdict }));
      replica.noteLeftOut(leftOut);
      course.leftOut ||= Object.keys(leftOut).some(isPassing);
      signal.throwIfAborted();
      cursor = page.nextCursor;
      if (cursor === null) return theirs;
    }
    throw new PeerError('bad_answer', 'the snapshot of the peer does not end');
  }
}

/** Whether the error is an older peer's answer to a message type that it does not know. */
function isUnknownType(error: unknown): boolean {
  return error instanceof PeerError && error.failure === 'refused' && (error.status === 400 || error.status === 403);
}
