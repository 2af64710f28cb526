/** Fetches the new entries of a node's audit log, page by page, and verifies each page before it keeps the page. */
import { z } from 'zod';
import type { AuditVerifier } from '../../audit/verifier.ts';
import { DependencyError } from '../../domain/errors.ts';
import type { Transport } from '../../domain/ports.ts';

/** Limits of one page: its size in bytes, and the timeout of its request in milliseconds. */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const PAGE_TIMEOUT_MS = 30_000;

const page = z.object({ chain: z.string(), entries: z.array(z.unknown()), more: z.boolean() });
type Page = z.infer<typeof page>;

/** The node returns no audit log, or its audit log does not continue the kept entries. The message is one line. */
export class FetchAuditError extends Error {
  /** true: the node returned entries whose verification failed. */
  readonly isForged: boolean;

  constructor(message: string, options: ErrorOptions & { readonly isForged?: boolean } = {}) {
    super(message, options);
    this.name = 'FetchAuditError';
    this.isForged = options.isForged ?? false;
  }
}

export interface FetchAuditOptions {
  /** The node's base URL, without a trailing slash. */
  readonly url: string;
  readonly token: string;
}

export interface FetchAuditModules {
  readonly transport: Transport;
  /** The verifier has already received the kept entries. */
  readonly verifier: AuditVerifier;
  /** Keeps the entries of a verified page. */
  readonly keep: (entries: readonly unknown[]) => Promise<void>;
}

/** @returns the number of new entries @throws FetchAuditError */
export async function fetchAudit(options: FetchAuditOptions, { transport, verifier, keep }: FetchAuditModules, signal: AbortSignal): Promise<number> {
  let count = 0;
  let { chain, sequence: after } = verifier.position;
  for (;;) {
    const { chain: theirs, entries, more } = await pageAfter(options, after, transport, signal);
    if (chain !== null && theirs !== chain && after > 0) {
      // The node has restarted since the kept entries were fetched, and each start begins a new chain.
      chain = theirs;
      after = 0;
      continue;
    }
    for (const entry of entries) verifier.take(entry);
    const { first } = verifier;
    if (first !== null) throw new FetchAuditError(`the new entries do not continue those in the file: ${first.what}`, { isForged: true });
    if (entries.length > 0) await keep(entries);
    count += entries.length;
    if (!more) return count;
    if (entries.length === 0 || verifier.position.sequence <= after) throw new FetchAuditError('the node says that there are more entries, but returns none');
    ({ chain, sequence: after } = verifier.position);
  }
}

/** @throws FetchAuditError */
async function pageAfter({ url, token }: FetchAuditOptions, after: number, transport: Transport, signal: AbortSignal): Promise<Page> {
  try {
    const { status, body } = await transport.request({
      method: 'GET',
      url: `${url}/audit?after=${after}`,
      headers: { authorization: `Bearer ${token}` },
      maxAnswerBytes: MAX_PAGE_BYTES,
      timeoutMs: PAGE_TIMEOUT_MS,
      signal,
    });
    if (status === 401) throw new FetchAuditError('the node refuses the token');
    if (status === 404) throw new FetchAuditError('the node has no audit log: its AUDIT_TOKEN_SHA256 is not set');
    if (status !== 200) throw new FetchAuditError(`the node answered with ${status}`);
    return page.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch (error) {
    if (error instanceof FetchAuditError) throw error;
    if (error instanceof DependencyError) throw new FetchAuditError(error.message, { cause: error });
    throw new FetchAuditError("the node's answer is not a page of an audit log", { cause: error });
  }
}
