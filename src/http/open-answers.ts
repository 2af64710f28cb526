/**
 * Answers that are made for callers without a proof, or for an operator's reader, counted for the limit on bytes in flight (protocol.md
 * §10, Bounds). A caller that does not read holds its answers in the node. Callers of these routes cannot always be told apart, so all of
 * them together count as one caller, which leaves most of the bytes to apps.
 */
import type { ServerResponse } from 'node:http';
import type { ByteLease, InflightBytes } from './inflight-bytes.ts';
import { sendJsonText, sendText } from './json-answer.ts';

const CALLER = 'open routes';

export class OpenAnswers {
  readonly #bytes: Pick<InflightBytes, 'open'>;

  constructor(bytes: Pick<InflightBytes, 'open'>) {
    this.#bytes = bytes;
  }

  /** @throws RefusalError service_unavailable when the answer does not fit now */
  sendJson(response: ServerResponse, body: object): void {
    this.sendJsonText(response, JSON.stringify(body));
  }

  /** @param text JSON @throws as `sendJson` */
  sendJsonText(response: ServerResponse, text: string): void {
    this.#count(response, text);
    sendJsonText(response, 200, text);
  }

  /** @throws as `sendJson` */
  sendText(response: ServerResponse, contentType: string, text: string): void {
    this.#count(response, text);
    sendText(response, 200, contentType, text);
  }

  #count(response: ServerResponse, text: string): void {
    const lease: ByteLease = this.#bytes.open(CALLER);
    lease.add(Buffer.byteLength(text));
    response.once('close', () => lease.release());
  }
}
