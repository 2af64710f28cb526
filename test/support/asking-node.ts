/**
 * A node's side of its conversations with peers. The enclave is emulated, and the secret and the random numbers are fixed. The test
 * controls the transport and the clock. Everything else is real.
 */
import { keccak256 } from '../../src/crypto/hash.ts';
import { Vault } from '../../src/crypto/vault.ts';
import type { StoreId } from '../../src/domain/ids.ts';
import { MasterSecret } from '../../src/node/master-secret.ts';
import { PeerBook } from '../../src/sync/peer-book.ts';
import { PeerConversation } from '../../src/sync/peer-conversation.ts';
import { collectingLog } from './collecting-log.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { ManualClock } from './manual-clock.ts';
import { transportTo, type PeerSide } from './peer-side.ts';
import { SeededRandom } from './seeded-random.ts';

export const SECRET = new Uint8Array(32).fill(0x42);
export const SECRET_HASH = keccak256(SECRET);

export interface AskingNodeOptions {
  /** Whether the node holds the confirmed secret and its sync key. Default: true. */
  readonly holdsSecret?: boolean;
}

export function startAskingNode(peers: readonly PeerSide[], options: AskingNodeOptions = {}) {
  const clock = new ManualClock();
  const random = new SeededRandom('this node');
  const log = collectingLog();
  const enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { clock, random });
  const identity = { wallet: enclave.emulated.wallet, teePubkey: enclave.emulated.teePubkey };
  const vault = new Vault({ random });
  const secret = new MasterSecret({ vault, emptyStore: () => undefined });
  if (options.holdsSecret !== false) secret.holdCandidate(Uint8Array.from(SECRET), 'given');
  secret.observe({ type: 'chain.shows', hash: SECRET_HASH, setHere: false });
  if (options.holdsSecret !== false) vault.installSyncKey();
  const book = new PeerBook({ blacklistMs: 600_000 }, { clock });
  const transport = transportTo(peers);
  const state = { isMember: true };
  const storeId = '00112233aabbccdd' as StoreId;
  const conversation = new PeerConversation({ clock, random, transport, enclave, vault, book, identity: () => identity, storeId: () => storeId, isMember: () => state.isMember, onClock: () => undefined, onAnswer: () => undefined });
  return { state, clock, random, log, enclave, identity, secret, vault, book, storeId, conversation };
}

export type AskingNode = ReturnType<typeof startAskingNode>;
