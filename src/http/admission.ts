/**
 * What one authenticated request occupies in this node (protocol.md §10, Bounds): the bytes of its body and answer, and a place among its
 * caller's requests under way. A request for a snapshot also takes a place among its caller's snapshots. Everything is released when
 * the answer has been sent and the work has ended. Both conditions are needed, because the work continues when a caller hangs up early.
 */
import type { EventEmitter } from 'node:events';
import { RefusalError } from '../domain/errors.ts';
import type { ByteLease } from './inflight-bytes.ts';
import type { RequestsUnderWay } from './requests-under-way.ts';

/** Bytes that are counted for a request while it waits for a place: the maximum size of its headers, which stay in memory. */
const WAITING_BYTES = 16 * 1024;

export class Admission {
  readonly lease: ByteLease;
  readonly #places: RequestsUnderWay[] = [];
  #answerGone = false;
  #workEnded = false;

  constructor(lease: ByteLease) {
    this.lease = lease;
  }

  /**
   * Takes a place among the caller's requests.
   * @returns undefined if a place was free; otherwise a promise that resolves when the request gets one
   * @throws RefusalError rate_limited or service_unavailable; or bad_request (which is never sent) if the caller has hung up
   */
  enter(places: RequestsUnderWay, response: EventEmitter): Promise<void> | undefined {
    if (this.#answerGone) throw hungUp();
    if (!places.enter(this.lease.caller)) return this.#wait(places, response);
    this.#places.push(places);
    return undefined;
  }

  noteAnswerGone(): void {
    this.#answerGone = true;
    this.#giveBack();
  }

  noteWorkEnded(): void {
    this.#workEnded = true;
    this.#giveBack();
  }

  async #wait(places: RequestsUnderWay, response: EventEmitter): Promise<void> {
    this.lease.add(WAITING_BYTES);
    const gone = new AbortController();
    const onClose = (): void => gone.abort(hungUp());
    response.once('close', onClose);
    try {
      await places.wait(this.lease.caller, gone.signal);
      this.#places.push(places);
    } finally {
      response.off('close', onClose);
      this.lease.count(-WAITING_BYTES);
    }
  }

  #giveBack(): void {
    if (!this.#answerGone || !this.#workEnded) return;
    this.lease.release();
    for (const places of this.#places.splice(0)) places.leave(this.lease.caller);
  }
}

function hungUp(): RefusalError {
  return new RefusalError('bad_request', 'the caller has disconnected');
}
