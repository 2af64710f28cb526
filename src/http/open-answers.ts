/**
 * Sends the answers of `/status` and `/nodes`, which count towards the limit on bytes in flight (protocol.md §10, Bounds). Anyone may ask
 * for them, and if a caller does not read its answers, they stay in the node's memory. Callers of these routes cannot always be told apart,
 * so all of them together count as one caller, which leaves most of the bytes to apps. The shorter answers of other routes, and answers to
 * operators with a token, are not counted.
 */
import type { ServerResponse } from 'node:http';
import type { InflightBytes } from './inflight-bytes.ts';
import { sendJsonText } from './json-answer.ts';

const CALLER = 'open routes';

export class OpenAnswers {
  readonly #bytes: Pick<InflightBytes, 'open'>;

  constructor(bytes: Pick<InflightBytes, 'open'>) {
    this.#bytes = bytes;
  }

  /**
   * Call this before the handler awaits anything. If the connection closed before this call, the bytes would never be released.
   * @throws RefusalError service_unavailable when the answer does not fit now
   */
  send(response: ServerResponse, body: object): void {
    const text = JSON.stringify(body);
    const lease = this.#bytes.open(CALLER);
    lease.add(Buffer.byteLength(text));
    response.once('close', () => lease.release());
    sendJsonText(response, 200, text);
  }
}
