/**
 * Reads an app's keys from one node, as instances of that app, without the proxy and TLS. Each read is a single attempt. A node limits the
 * requests from a wallet (protocol.md §8), so several instances take turns.
 */
import { KmsClientError } from '../../src/client/errors.ts';
import { createKmsClient, type KmsClient } from '../../src/client/kms-client.ts';
import type { ClientIdentity } from '../../src/client/options.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { Transport } from '../../src/domain/ports.ts';
import { readRetryAfterMs } from '../../src/domain/retry-after.ts';
import { PeerTransport } from '../../src/net/peer-transport.ts';
import { systemClock } from '../../src/system/system.ts';
import { memberOf } from '../../test/support/members.ts';
import { NotAnswered } from './last-look.ts';

/** The longest time to wait after a `Retry-After`, even if the node asks for more. Milliseconds. */
const MAX_RETRY_AFTER_MS = 30_000;
const TIMEOUT_MS = 10_000;
/** How long a client caches the enclave keys of the nodes. The time is short, because a restarted node has new keys. Milliseconds. */
const NODES_TTL_MS = 1_000;

export class AppReaders {
  readonly #clients: readonly KmsClient[];
  /** How long each node asked to wait in its last `Retry-After`, by the node's origin. Milliseconds. */
  readonly #retryAfterMs = new Map<string, number>();
  #turn = 0;

  constructor(identities: readonly ClientIdentity[], nodes: readonly ClusterNode[]) {
    const readMembership = async () => ({ members: nodes.map(({ wallet, teePubkey, localUrl }) => memberOf(wallet, teePubkey, localUrl)) });
    const limits = { maxAttempts: 1, timeoutMs: TIMEOUT_MS, nodesTtlMs: NODES_TTL_MS, inEnclave: false };
    this.#clients = identities.map((identity) => createKmsClient({ registry: '', chain: { source: { readMembership } }, identity, ...limits }, { transport: this.#noting() }));
  }

  /** @returns null when the key is absent @throws NotAnswered */
  async get(node: ClusterNode, key: string): Promise<string | null> {
    const { localUrl } = node;
    this.#turn += 1;
    try {
      const stored = await this.#clients[this.#turn % this.#clients.length]!.get(key, { node: localUrl });
      return stored === null ? null : Buffer.from(stored.value).toString();
    } catch (error) {
      if (!(error instanceof KmsClientError)) throw error;
      const last = error.attempts.at(-1);
      const what = last === undefined ? error.code : `${last.failure} ${last.status ?? ''}`.trim();
      throw new NotAnswered(`${what}${error.serverCode === undefined ? '' : ` ${error.serverCode}`}`, this.#retryAfterMs.get(localUrl) ?? 0, { cause: error });
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close();
  }

  #noting(): Transport & { close(): Promise<void> } {
    const transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
    return {
      request: async (request) => {
        const answer = await transport.request(request);
        const waitMs = readRetryAfterMs(answer.headers['retry-after'], MAX_RETRY_AFTER_MS);
        if (waitMs !== undefined) this.#retryAfterMs.set(new URL(request.url).origin, waitMs);
        return answer;
      },
      close: () => transport.close(),
    };
  }
}
