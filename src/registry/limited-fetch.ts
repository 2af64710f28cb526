/**
 * `fetch` with limits of our own, from the request to the end of the answer's body: on time by the injected clock, since viem's
 * limit would arm timers of the process, and on length.
 */
import { ResponseBodyTooLargeError } from 'viem';
import { within } from '../domain/deadline.ts';
import type { Clock } from '../domain/ports.ts';

export type Fetch = typeof globalThis.fetch;

export interface LimitedFetchOptions {
  /** What is asked, as the start of a sentence. */
  readonly what: string;
  readonly limitMs: number;
  readonly maxAnswerBytes: number;
}

export interface LimitedFetchModules {
  readonly clock: Clock;
  readonly fetch: Fetch;
}

/** The answer's body is in memory when it resolves; of the rest there is what viem reads. Throws DeadlineError, and on length what viem throws. */
export function limitedFetch({ what, limitMs, maxAnswerBytes }: LimitedFetchOptions, { clock, fetch }: LimitedFetchModules): Fetch {
  return async (input, init) =>
    within(clock, what, limitMs, init?.signal ?? undefined, async (signal) => {
      const answer = await fetch(input, { ...init, signal });
      const text = await readText(answer, maxAnswerBytes);
      const { ok, status, statusText, headers } = answer;
      return { ok, status, statusText, headers, body: null, text: async () => text } as Response;
    });
}

async function readText(answer: Response, maxBytes: number): Promise<string> {
  // A `fetch` that is given may have read the body already.
  if (!answer.body) return answer.text();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ResponseBodyTooLargeError({ maxSize: maxBytes, size: bytes });
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
