/**
 * Which node took this client's last write of a key. The other nodes have it a moment later, so that node is asked first for the
 * key: a caller reads what it wrote, and a second write comes after the first one, however the nodes' clocks differ.
 */
import { LRUCache } from 'lru-cache';
import type { KmsNode } from './node-list.ts';

/** Keys that are remembered, those used last. With the longest keys they take some 4 MiB. */
const MAX_OWN_WRITES = 4_096;

export type WriteKind = 'put' | 'delete';

interface OwnWrite {
  readonly node: KmsNode;
  readonly kind: WriteKind;
}

export class OwnWrites {
  readonly #byKey = new LRUCache<string, OwnWrite>({ max: MAX_OWN_WRITES });
  #last: OwnWrite | null = null;

  note(key: string, node: KmsNode, kind: WriteKind): void {
    this.#last = { node, kind };
    this.#byKey.set(key, this.#last);
  }

  /** Has this node taken the last write of the key? Booted again, it began with an empty store and is another node. */
  took(key: string, node: KmsNode): boolean {
    return isSame(this.#byKey.get(key)?.node, node);
  }

  /** Whether it took the last write of all: a listing is asked for there. */
  tookLast(node: KmsNode): boolean {
    return isSame(this.#last?.node, node);
  }

  /**
   * Is this node's word that the key is absent the last word? It is where it took the last write of the key, and its enclave says
   * so. A 404 that is not sealed may come from anybody on the way: it is believed of what was deleted there.
   */
  isFinallyAbsent(key: string, node: KmsNode, proven: boolean): boolean {
    return this.took(key, node) && (proven || this.#byKey.get(key)?.kind === 'delete');
  }
}

function isSame(one: KmsNode | undefined, other: KmsNode): boolean {
  return one?.wallet === other.wallet && one.teePubkey === other.teePubkey;
}
