/**
 * Proof of possession (protocol.md §3): three headers with a nonce that this node issued, a fresh timestamp and an EIP-191 signature. If a
 * proof is malformed or its timestamp is not accepted, its nonce stays unused. Otherwise, looking up the nonce uses it up, even if the
 * signature is not valid.
 */
import { isBase64 } from '../crypto/base64.ts';
import { appAuthMessage, peerAuthMessage } from '../crypto/messages.ts';
import { recoverEip191 } from '../crypto/signature.ts';
import { RefusalError } from '../domain/errors.ts';
import { parseWallet, type Wallet } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import type { NonceBook } from './nonce-book.ts';

export type ProofKind = 'app' | 'peer';

/** Request headers with names in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

export interface Proof {
  readonly wallet: Wallet;
  /** As the caller sent it. The signature of the answer covers it. */
  readonly signature: string;
  /** As the caller sent it. An answer to an app repeats it. */
  readonly nonce: string;
}

export interface ProofModules {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly nonces: Pick<NonceBook, 'consume'>;
}

const PREFIX: Readonly<Record<ProofKind, string>> = { app: 'x-app-', peer: 'x-kms-' };
const MESSAGE = { app: appAuthMessage, peer: peerAuthMessage } as const;
/** Unix seconds in plain decimal, without leading zeros: the only form from which all nodes make the same signed message. */
const TIMESTAMP = /^(?:0|[1-9]\d{0,18})$/;
/** Maximum length of a proof header. Characters. */
const MAX_HEADER_CHARS = 256;

function refuse(why: string): never {
  throw new RefusalError('unauthorized', why);
}

/** Whether the request has any header of this kind. */
export function hasProofHeaders(kind: ProofKind, headers: Headers): boolean {
  return Object.keys(headers).some((name) => name.startsWith(PREFIX[kind]) && headers[name] !== undefined);
}

/**
 * @param nodeWallet wallet of this node, which is part of the signed message
 * @param windowSeconds `POP_TIMEOUT_SECONDS`
 * @throws RefusalError unauthorized
 */
export function verifyProof(
  kind: ProofKind,
  headers: Headers,
  nodeWallet: Wallet,
  windowSeconds: number,
  modules: ProofModules,
): Proof {
  const header = (name: string): string | undefined => headers[`${PREFIX[kind]}${name}`]?.trim();
  const signature = header('signature') ?? '';
  const nonce = header('nonce') ?? '';
  const timestamp = header('timestamp') ?? '';
  if (signature === '' || nonce === '' || timestamp === '') refuse(`${PREFIX[kind]}signature, nonce and timestamp are required`);
  if ([signature, nonce, timestamp].some((text) => text.length > MAX_HEADER_CHARS)) refuse('a proof header is too long');
  if (!isBase64(nonce)) refuse('the nonce is not base64');
  if (!TIMESTAMP.test(timestamp)) refuse('the timestamp is not Unix seconds in plain decimal');
  const claimed = header('wallet');
  const claimedWallet = claimed === undefined ? null : (parseWallet(claimed) ?? refuse(`${PREFIX[kind]}wallet is not a wallet`));
  const ageSeconds = Math.floor(modules.clock.nowMs() / 1000) - Number(timestamp);
  if (Math.abs(ageSeconds) > windowSeconds) {
    refuse(`the timestamp is ${Math.abs(ageSeconds)} s ${ageSeconds > 0 ? 'behind' : 'ahead of'} this node's clock, outside the window of ${windowSeconds} s`);
  }
  const consumed = modules.nonces.consume(nonce);
  if (consumed === 'unknown') refuse('the nonce was not issued by this node or has been used');
  if (consumed === 'expired') refuse('the nonce has expired');
  const wallet = recoverEip191(MESSAGE[kind](nonce, nodeWallet, timestamp), signature);
  if (wallet === null) refuse('the signature is not valid');
  if (claimedWallet !== null && claimedWallet !== wallet) refuse('the signature was made by a different wallet');
  return { wallet, signature, nonce };
}
