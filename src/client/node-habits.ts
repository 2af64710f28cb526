/**
 * Protections that a node must keep using once it has used them (protocol.md §10, Bound to the request). The wallet and the registered key
 * identify a node: a different key means that the enclave has rebooted, so the node may now run an older image.
 */
import { LRUCache } from 'lru-cache';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { KmsNode } from './node-list.ts';

/** `binds`: the node's answers repeat the request's nonce. `seals`: the node's 404 for a key is sealed in an envelope. */
export type Habit = 'binds' | 'seals';

export class NodeHabits {
  readonly #shown = new LRUCache<string, ReadonlySet<Habit>>({ max: MAX_MEMBERS });

  has(node: KmsNode, habit: Habit): boolean {
    return this.#shown.get(nameOf(node))?.has(habit) ?? false;
  }

  note(node: KmsNode, habit: Habit): void {
    if (!this.has(node, habit)) this.#shown.set(nameOf(node), new Set([...(this.#shown.get(nameOf(node)) ?? []), habit]));
  }
}

function nameOf({ wallet, teePubkey }: KmsNode): string {
  return `${wallet} ${teePubkey}`;
}
