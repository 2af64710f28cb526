/**
 * A node's production HTTP server on a real socket, a caller that the node knows as an app and as a peer, and the rules for every answer.
 */
import { canonicalJson } from '../../src/crypto/canonical-json.ts';
import { appAuthMessage, peerAuthMessage } from '../../src/crypto/messages.ts';
import { parseEnvelope, toWireEnvelope } from '../../src/domain/envelope.ts';
import type { AppRegistry } from '../../src/domain/ports.ts';
import { parseStrictJson } from '../../src/enclave/emulator/strict-json.ts';
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp, type NodeOverHttpOptions } from '../../test/support/node-over-http.ts';
import { inProcessEnclave } from '../../test/support/in-process-enclave.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';

export const caller = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('fuzzing caller'), clock: new ManualClock() });
const { wallet, teePubkey } = caller.emulated;

/** Replaces the app registry: every wallet is an instance of the same app, and has the key of the caller. */
export const lookup: AppRegistry['lookup'] = async (of) => authorizedRecord(100n, of, teePubkey);

export async function startNodeUnderTest(options: NodeOverHttpOptions = {}): Promise<NodeOverHttp> {
  return startNodeOverHttp({
    members: [memberOf(wallet, teePubkey)],
    lookup,
    ...options,
    http: { maxRequestBodyBytes: 64 * 1024, maxSyncPayloadBytes: 256 * 1024 },
  });
}

/**
 * The headers of a request that the caller sends as an app or as a peer. The headers of a peer include the HMAC of the envelope. The node
 * accepts the nonce in the headers only once.
 */
export async function headersOf(node: NodeOverHttp, isPeer: boolean, envelope: unknown): Promise<Record<string, string>> {
  const nonce = node.nonces.issue();
  const timestamp = String(Math.floor(node.clock.nowMs() / 1_000));
  const signature = await caller.sign((isPeer ? peerAuthMessage : appAuthMessage)(nonce, node.identity.wallet, timestamp));
  const prefix = isPeer ? 'x-kms' : 'x-app';
  const headers = { [`${prefix}-signature`]: signature, [`${prefix}-nonce`]: nonce, [`${prefix}-timestamp`]: timestamp, 'content-type': 'application/json' };
  return isPeer ? { ...headers, 'x-sync-signature': node.vault.syncHmac(canonicalJson(envelope ?? null)) } : headers;
}

/** Sends an inner message as a peer, and returns the inner answer. Both are JSON texts. @throws Error when the node refuses the message */
export async function askAsPeer(node: NodeOverHttp, inner: string): Promise<string> {
  const envelope = toWireEnvelope(await caller.encrypt(inner, node.identity.teePubkey));
  const answer = await fetch(`${node.url}/sync`, { method: 'POST', headers: await headersOf(node, true, envelope), body: JSON.stringify(envelope) });
  const text = await answer.text();
  const sealed = answer.status === 200 ? parseEnvelope(JSON.parse(text)) : null;
  if (sealed === null) throw new Error(`status ${answer.status}: ${text.slice(0, 200)}`);
  return caller.decrypt(sealed);
}

/** The statuses that protocol.md §2 lists, and those that the HTTP layer sends by itself. */
const STATUSES = new Set([200, 204, 304, 400, 403, 404, 405, 408, 413, 414, 415, 417, 429, 431, 503, 504, 507]);

/** @throws Error when a node must never answer with this status, or when the body of an error has the wrong form */
export function checkAnswer(status: number, body: string): void {
  if (!STATUSES.has(status)) throw new Error(`status ${status}: ${body.slice(0, 200)}`);
  if (status < 400 || body === '') return;
  const { code, message } = parseStrictJson(Buffer.from(body)) as { code?: unknown; message?: unknown };
  if (typeof code !== 'string' || typeof message !== 'string') throw new Error(`an error in the wrong form: ${body.slice(0, 200)}`);
}

/** @throws Error when an assumption in the node's code is broken. No request may ever break an assumption. */
export function checkNode(node: NodeOverHttp): void {
  const [broken] = node.state.broken;
  if (broken !== undefined) throw broken;
  const line = node.log.lines.find(({ level }) => level === 'error');
  if (line !== undefined) throw new Error(`logged as an error: ${line.sentence} ${JSON.stringify(line.facts)}`);
}
