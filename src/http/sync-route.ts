/** `POST /sync` (protocol.md §3, §4): a peer's request, from its proof to the sealed answer. */
import type { AuthenticatedPeer } from '../auth/authenticator.ts';
import { canonicalJson } from '../crypto/canonical-json.ts';
import { RefusalError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { PeerDirectory } from '../domain/ports.ts';
import { knownIdentity } from './app-route.ts';
import { ok, type Exchange, type Reply } from './exchange.ts';
import { assertOpen } from './gate.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { RateLimit } from './rate-limit.ts';
import { openBody, parseBody, sealAnswer } from './sealed-exchange.ts';

/** Requests of one peer per minute: a peer pushes, compares and fetches pages, but not more than this. */
const PEER_RATE_PER_MINUTE = 6_000;

function assertStillMember({ wallet, teePubkey }: Member, directory: PeerDirectory): void {
  const isMember = directory.membership()?.members.some((member) => member.wallet === wallet && member.teePubkey === teePubkey);
  if (isMember !== true) throw new RefusalError('forbidden', 'the signer is no member any more');
}

/** @param countClient counts a request that proves no peer for its client; a peer has a limit of its own (protocol.md §8) */
export function syncRoute(options: HttpOptions, modules: HttpModules, countClient: (exchange: Exchange) => void) {
  const perPeer = new RateLimit(PEER_RATE_PER_MINUTE, modules);
  const authenticate = (exchange: Exchange, nodeWallet: Wallet): AuthenticatedPeer => {
    try {
      return modules.authenticator.peer(exchange.headers, nodeWallet);
    } catch (error) {
      countClient(exchange);
      throw error;
    }
  };
  return async (exchange: Exchange): Promise<Reply> => {
    const { wallet } = knownIdentity(modules);
    // Before the body, which is large: only members make this node hold one.
    const peer = authenticate(exchange, wallet);
    perPeer.take(peer.member.wallet);
    const body = parseBody(await exchange.readBody(options.maxSyncPayloadBytes));
    const { inner, answerSignature } = await openBody(body, peer, wallet, modules.enclave);
    // The body may have taken two minutes to come.
    assertOpen('secret confirmed', modules.readiness());
    assertStillMember(peer.member, modules.directory);
    if (modules.sync.requiresHmac(inner)) {
      const signature = exchange.headers['x-sync-signature']?.trim() ?? '';
      if (!modules.vault.verifySyncHmac(canonicalJson(body), signature)) {
        throw new RefusalError('forbidden', 'x-sync-signature is missing or wrong');
      }
    }
    const answer = await modules.sync.handle(peer.member, inner);
    const headers: Record<string, string> = answerSignature === null ? {} : { 'x-kms-peer-signature': answerSignature };
    return ok(await sealAnswer(answer, peer, modules.enclave), headers);
  };
}
