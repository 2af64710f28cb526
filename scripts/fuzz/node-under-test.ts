/**
 * A node's production HTTP server on a real socket, a caller that the node knows as an app and as a peer, and the rules for every answer.
 */
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp } from '../../test/support/node-over-http.ts';
import { inProcessEnclave } from '../../test/support/in-process-enclave.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';

export const caller = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('fuzzing caller'), clock: new ManualClock() });
const { wallet, teePubkey } = caller.emulated;

export async function startNodeUnderTest(): Promise<NodeOverHttp> {
  return startNodeOverHttp({
    members: [memberOf(wallet, teePubkey)],
    lookup: async (of) => authorizedRecord(100n, of, teePubkey),
    http: { maxRequestBodyBytes: 64 * 1024, maxSyncPayloadBytes: 256 * 1024 },
  });
}

/** The statuses that protocol.md §2 lists, and those that the HTTP layer sends by itself. */
const STATUSES = new Set([200, 204, 304, 400, 403, 404, 405, 408, 413, 414, 415, 417, 429, 431, 503, 504, 507]);

/** @throws Error when a node must never answer with this status, or when the body of an error has the wrong form */
export function checkAnswer(status: number, body: string): void {
  if (!STATUSES.has(status)) throw new Error(`status ${status}: ${body.slice(0, 200)}`);
  if (status < 400 || body === '') return;
  const { code, message } = JSON.parse(body) as { code?: unknown; message?: unknown };
  if (typeof code !== 'string' || typeof message !== 'string') throw new Error(`an error in the wrong form: ${body.slice(0, 200)}`);
}

/** @throws Error when the case broke an assumption of the node. A caller must never be able to do that. */
export function checkNode(node: NodeOverHttp): void {
  const [broken] = node.state.broken;
  if (broken !== undefined) throw broken;
  const line = node.log.lines.find(({ level }) => level === 'error');
  if (line !== undefined) throw new Error(`logged as an error: ${line.sentence} ${JSON.stringify(line.facts)}`);
}
