/** An app or a peer that has an enclave and proves its identity to a node over HTTP (protocol.md §3). */
import { canonicalJson } from '../../src/crypto/canonical-json.ts';
import { appAuthMessage, peerAuthMessage } from '../../src/crypto/messages.ts';
import { toWireEnvelope } from '../../src/domain/envelope.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { ManualClock } from './manual-clock.ts';
import type { NodeParts } from './node-over-http.ts';
import { SeededRandom } from './seeded-random.ts';

const MESSAGE = { 'x-app': appAuthMessage, 'x-kms': peerAuthMessage } as const;

export type AskedNode = Pick<NodeParts, 'nonces' | 'clock' | 'identity' | 'vault'>;

export class ProvenCaller {
  readonly #enclave: ReturnType<typeof inProcessEnclave>;

  /** @param name seed of the caller's keys */
  constructor(name: string) {
    this.#enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom(name), clock: new ManualClock() });
  }

  get wallet() {
    return this.#enclave.emulated.wallet;
  }

  get teePubkey() {
    return this.#enclave.emulated.teePubkey;
  }

  /** The headers of a proof. The node accepts the proof only once. */
  async proof(node: AskedNode, prefix: keyof typeof MESSAGE): Promise<Record<string, string>> {
    const nonce = node.nonces.issue();
    const seconds = String(Math.floor(node.clock.nowMs() / 1_000));
    const signature = await this.#enclave.sign(MESSAGE[prefix](nonce, node.identity.wallet, seconds));
    return { [`${prefix}-signature`]: signature, [`${prefix}-nonce`]: nonce, [`${prefix}-timestamp`]: seconds };
  }

  /** The headers and the body of a signed request. The headers contain the HMAC if the caller is a peer. */
  async request(node: AskedNode, prefix: keyof typeof MESSAGE, inner: object): Promise<{ readonly headers: Record<string, string>; readonly body: string }> {
    const envelope = toWireEnvelope(await this.#enclave.encrypt(JSON.stringify(inner), node.identity.teePubkey));
    const hmac = prefix === 'x-kms' ? { 'x-sync-signature': node.vault.syncHmac(canonicalJson(envelope)) } : {};
    return { headers: { ...(await this.proof(node, prefix)), ...hmac }, body: JSON.stringify(envelope) };
  }
}
