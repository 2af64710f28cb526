/**
 * Remembers which node accepted this client's last write to a key. The other nodes get the write a moment later, so for this key, the
 * client asks that node first. Thus a caller reads what it wrote, and a second write replaces the first even if the nodes' clocks differ.
 */
import { LRUCache } from 'lru-cache';
import type { KmsNode } from './node-list.ts';

/** Maximum number of remembered keys. The least recently used key is forgotten first. */
const MAX_OWN_WRITES = 4_096;
/** Maximum total length of the remembered keys. It is needed because one key may be 64 KiB long. UTF-16 units. */
const MAX_OWN_WRITES_CHARS = 2 * 1_024 * 1_024;

export type WriteKind = 'put' | 'delete';

interface OwnWrite {
  readonly node: KmsNode;
  readonly kind: WriteKind;
}

export class OwnWrites {
  readonly #byKey = new LRUCache<string, OwnWrite>({
    max: MAX_OWN_WRITES,
    maxSize: MAX_OWN_WRITES_CHARS,
    sizeCalculation: (_, key) => Math.max(1, key.length),
  });
  #last: OwnWrite | null = null;

  note(key: string, node: KmsNode, kind: WriteKind): void {
    this.#last = { node, kind };
    this.#byKey.set(key, this.#last);
  }

  /** Whether this node accepted this client's last write to the key. A rebooted node has an empty store, so it counts as a different node. */
  took(key: string, node: KmsNode): boolean {
    return isSame(this.#byKey.get(key)?.node, node);
  }

  /** Whether this node accepted the client's most recent write, regardless of its key. If so, a listing request goes to it first. */
  tookLast(node: KmsNode): boolean {
    return isSame(this.#last?.node, node);
  }

  /**
   * Whether this node's 404 for the key is final. The node must have accepted this client's last write to the key, and the node's
   * enclave must have sealed the 404, because others can forge an unsealed 404. If that write was a delete, an unsealed 404 is enough.
   */
  isFinallyAbsent(key: string, node: KmsNode, proven: boolean): boolean {
    return this.took(key, node) && (proven || this.#byKey.get(key)?.kind === 'delete');
  }
}

function isSame(one: KmsNode | undefined, other: KmsNode): boolean {
  return one?.wallet === other.wallet && one.teePubkey === other.teePubkey;
}
