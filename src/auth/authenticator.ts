/** Authenticates callers (protocol.md §3): an app by its proof and the registry, a peer by its proof and the peer cache. */
import { RefusalError } from '../domain/errors.ts';
import { parseWallet, type TeePubkey, type Wallet } from '../domain/ids.ts';
import type { AuthorizedApp, Member } from '../domain/membership.ts';
import type { AppRegistry, Clock, PeerDirectory } from '../domain/ports.ts';
import { authorizeApp } from './app-authorization.ts';
import type { NonceBook } from './nonce-book.ts';
import { authorizePeer } from './peer-authorization.ts';
import { hasProofHeaders, verifyProof, type Headers } from './proof.ts';

export interface AuthenticatorOptions {
  readonly inEnclave: boolean;
  /** `POP_TIMEOUT_SECONDS`. */
  readonly windowSeconds: number;
}

export interface AuthenticatorModules {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly nonces: Pick<NonceBook, 'consume'>;
  readonly appRegistry: AppRegistry;
  readonly directory: PeerDirectory;
}

/** The wallet, the signature and the nonce from the headers of an app's request. */
export interface AppProof {
  readonly wallet: Wallet;
  /** Null if the request is not signed; the nonce is then null too. In development, a request may contain a wallet without a signature. */
  readonly signature: string | null;
  readonly nonce: string | null;
}

export interface AuthenticatedApp extends AuthorizedApp, AppProof {
  readonly wallet: Wallet;
}

export interface AuthenticatedPeer {
  readonly member: Member;
  readonly teePubkey: TeePubkey;
  readonly signature: string;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #modules: AuthenticatorModules;

  constructor(options: AuthenticatorOptions, modules: AuthenticatorModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Checks the headers of an app's request without reading the chain. @throws RefusalError unauthorized */
  proveApp(headers: Headers, nodeWallet: Wallet): AppProof {
    if (hasProofHeaders('app', headers)) return verifyProof('app', headers, nodeWallet, this.#options.windowSeconds, this.#modules);
    const named = headers['x-tee-wallet'];
    if (this.#options.inEnclave || named === undefined) throw new RefusalError('unauthorized', 'the x-app- headers are required');
    const wallet = parseWallet(named);
    if (wallet === null) throw new RefusalError('unauthorized', 'x-tee-wallet is not a wallet');
    return { wallet, signature: null, nonce: null };
  }

  /** @throws RefusalError forbidden; DependencyError, DeadlineError when the registry cannot be read */
  async authorizeApp({ wallet, signature, nonce }: AppProof): Promise<AuthenticatedApp> {
    const record = await this.#modules.appRegistry.lookup(wallet);
    const authorization = authorizeApp(record);
    if (!authorization.authorized) throw new RefusalError('forbidden', authorization.why);
    const { teePubkey } = record.instance;
    if (teePubkey === '') throw new RefusalError('forbidden', 'the instance has no teePubkey');
    return { appId: authorization.appId, wallet, teePubkey, signature, nonce };
  }

  /** @throws RefusalError unauthorized or forbidden */
  peer(headers: Headers, nodeWallet: Wallet): AuthenticatedPeer {
    const proof = verifyProof('peer', headers, nodeWallet, this.#options.windowSeconds, this.#modules);
    const membership = this.#modules.directory.membership();
    const member = membership === null ? null : authorizePeer(proof.wallet, membership);
    if (member === null || member.teePubkey === '') throw new RefusalError('forbidden', 'the wallet is not a member of the KMS');
    return { member, teePubkey: member.teePubkey, signature: proof.signature };
  }
}
