/**
 * The last answers of multicalls (protocol.md §6). Each node_tick reads the same views, and their results seldom change. Decoding an answer
 * costs more than all other work of a read. So if the same calls get the same bytes as the last time, the answer is not decoded again. The
 * calls are always sent.
 */
import type { Hex } from 'viem';
import type { ViewCall, ViewResult } from './view-call.ts';

/** Maximum number of remembered multicalls; a node_tick of a small cluster makes two. */
const MAX_REMEMBERED = 4;
/** Maximum length of a remembered answer: enough for about 160 instances. A longer answer is decoded each time. Characters. */
const MAX_ANSWER_CHARS = 256 * 1_024;

export interface LastView {
  readonly calls: readonly ViewCall[];
  /** The bytes that were sent, and the bytes of the answer. */
  readonly sent: Hex;
  readonly answer: Hex;
  readonly results: readonly ViewResult[];
}

export class LastViews {
  /** The newest is last. */
  readonly #remembered: LastView[] = [];

  find(calls: readonly ViewCall[]): LastView | undefined {
    return this.#remembered.find((last) => areSame(last.calls, calls));
  }

  remember(view: LastView): void {
    const at = this.#remembered.findIndex((last) => areSame(last.calls, view.calls));
    if (at !== -1) this.#remembered.splice(at, 1);
    if (view.answer.length > MAX_ANSWER_CHARS) return;
    this.#remembered.push(view);
    if (this.#remembered.length > MAX_REMEMBERED) this.#remembered.shift();
  }
}

function areSame(one: readonly ViewCall[], other: readonly ViewCall[]): boolean {
  return one.length === other.length && one.every((call, at) => isSame(call, other[at]!));
}

/** Arguments are compared with `===`, so two separate lists are never the same, even if their items are. */
function isSame(one: ViewCall, other: ViewCall): boolean {
  const { args = [] } = one;
  const { args: others = [] } = other;
  return (
    one.functionName === other.functionName &&
    one.address === other.address &&
    one.abi === other.abi &&
    args.length === others.length &&
    args.every((argument, at) => argument === others[at])
  );
}
