/**
 * How nodes of an older kind answer peers (protocol.md §4, §10). Their answer to a delta contains only `merged`. They do not support
 * digests, pages, `request_id`, `store_id` or `next_nonce`. They merge records according to the same rules as current nodes.
 */
import { RefusalError } from '../../src/domain/errors.ts';
import type { SyncHandler } from '../../src/http/sync-route.ts';

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  delta: ['status', 'merged'],
  snapshot_request: ['status', 'data'],
  master_secret_request: ['status', 'sealed'],
};

/** @param real a node of the current kind that stores the merged records */
export function asOlderKind(real: SyncHandler): SyncHandler {
  return {
    requiresHmac: (message) => real.requiresHmac(message),
    snapshotChars: (message) => real.snapshotChars(message),
    handle: async (sender, message) => {
      const type = String(message['type']);
      const fields = FIELDS[type];
      if (fields === undefined) throw new RefusalError('forbidden', 'unknown sync type');
      const { sender_wallet, data, ecdh_pubkey } = message;
      const answer = (await real.handle(sender, { type, sender_wallet, data, ecdh_pubkey })) as Record<string, unknown>;
      return Object.fromEntries(fields.map((field) => [field, answer[field]]));
    },
  };
}
