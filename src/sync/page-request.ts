/** Asks a member for one page of records (protocol.md §10, Pages), either of all its records or of those in some buckets of one app. */
import { PEER_TIMEOUT_MS, SNAPSHOT_PAGE_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { WalkRequest } from '../domain/records.ts';
import { snapshotAnswer } from './messages.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';

/** Maximum number of pages in one snapshot. A snapshot with more pages is considered endless. */
export const MAX_PAGES = 8_192;

export interface Page {
  readonly data: Record<string, unknown>;
  readonly complete: boolean;
  /** Whether the member says that it is sure. */
  readonly sure: boolean;
  /** The cursor of the next page; null when nothing is left. */
  readonly nextCursor: string | null;
}

export interface PageRequest {
  readonly part?: Omit<WalkRequest, 'cursor'>;
  /** The cursor of the requested page; null for the first page. */
  readonly cursor: string | null;
}

export interface PageRequestOptions {
  /** Maximum length of an answer, `MAX_SYNC_PAYLOAD_BYTES`. Older members send everything in one answer. */
  readonly maxAnswerBytes: number;
  readonly signal: AbortSignal;
}

/**
 * @throws PeerError `bad_answer` when the answer is not a page, repeats the cursor, or is empty but not the last page
 * @throws any error of the exchange
 */
export async function requestPage(
  member: Member,
  { part = {}, cursor }: PageRequest,
  options: PageRequestOptions,
  { conversation }: { readonly conversation: Pick<PeerConversation, 'exchange'> },
): Promise<Page> {
  const { maxAnswerBytes } = options;
  const answer = await conversation.exchange(
    member,
    {
      type: 'snapshot_request',
      ...part,
      // This node refuses answers above its limit, so it does not ask for a larger page.
      max_bytes: Math.min(SNAPSHOT_PAGE_BYTES, maxAnswerBytes),
      ...(cursor === null ? {} : { cursor }),
    },
    { ...options, timeoutMs: PEER_TIMEOUT_MS.snapshot },
  );
  const parsed = snapshotAnswer.safeParse(answer);
  if (!parsed.success) throw new PeerError('bad_answer', 'the answer to a snapshot request is malformed');
  const { data, complete, sure, next_cursor: nextCursor = null } = parsed.data;
  // Each page except the last must contain a record. Otherwise a member could send empty pages forever.
  const isEmpty = !Object.values(data).some((records) => Array.isArray(records) && records.length > 0);
  if (nextCursor !== null && (nextCursor === cursor || isEmpty)) throw new PeerError('bad_answer', 'the snapshot of the peer does not end');
  return { data, complete: complete !== false, sure: sure === true, nextCursor };
}
