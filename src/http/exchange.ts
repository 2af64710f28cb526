/** A request and its reply as the handlers see them: no Express, no sockets, so that a simulation can call the same code. */
import type { Headers } from '../auth/proof.ts';

export interface Exchange {
  readonly method: string;
  /** Decoded path without the query; as sent where it names a data key. */
  readonly path: string;
  /** What follows `/kms/data/` in the path, exactly as sent, not decoded yet; null for any other path. */
  readonly dataKey: string | null;
  /** As sent, without the `?`. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Headers;
  /** Who counts as one client for rate limits. */
  readonly client: string;
  /** Reads the body. @throws RefusalError payload_too_large, bad_request */
  readonly readBody: (maxBytes: number) => Promise<Uint8Array>;
}

export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

export function ok(body: object, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status: 200, headers, body };
}
