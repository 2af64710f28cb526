/**
 * `POST /sync` (protocol.md §3, §4): a peer's request, from its proof to the sealed answer, as a chain of middlewares. The node reads
 * bodies only from members. It checks the secret and the membership again after the body, because a body may take a long time to arrive,
 * and a snapshot request may wait for other snapshot requests.
 */
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import type { AuthenticatedPeer, Authenticator } from '../auth/authenticator.ts';
import { canonicalPieces } from '../crypto/canonical-json.ts';
import type { Vault } from '../crypto/vault.ts';
import type { Audit } from '../domain/audit.ts';
import { RefusalError } from '../domain/errors.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import { entryOf, type Member } from '../domain/membership.ts';
import type { Clock, Identity, PeerDirectory } from '../domain/ports.ts';
import { admit, enterAlso, noteFailedWork } from './admit.ts';
import { auditPeer } from './audited.ts';
import { readBody } from './body.ts';
import { requireConfirmedSecret, type GateModules } from './gate.ts';
import { InflightBytes } from './inflight-bytes.ts';
import { RateLimit } from './rate-limit.ts';
import { RequestsUnderWay, type UnderWayLimits } from './requests-under-way.ts';
import { knownIdentity, openEnvelope, sendSealed, WIRE_FACTOR, type EnvelopeModules, type SealedHandler, type SealedLocals } from './sealed-exchange.ts';

export interface SyncOptions {
  /** `MAX_SYNC_PAYLOAD_BYTES`. */
  readonly maxSyncPayloadBytes: number;
  /** `MAX_INFLIGHT_BYTES`; `/sync` uses half of it. */
  readonly maxInflightBytes: number;
}

/** Handles the messages of peers: takes the inner body and returns the inner answer. */
export interface SyncHandler {
  requiresHmac(message: Record<string, unknown>): boolean;
  /** Maximum length of the answer to a snapshot request; null for any other message. Characters. */
  snapshotChars(message: Record<string, unknown>): number | null;
  handle(sender: Member, message: Record<string, unknown>): Promise<object>;
}

export interface SyncModules extends Pick<GateModules, 'readiness'>, EnvelopeModules {
  readonly clock: Clock;
  readonly authenticator: Pick<Authenticator, 'peer'>;
  readonly directory: PeerDirectory;
  readonly identity: () => Identity | null;
  readonly vault: Pick<Vault, 'verifySyncHmac'>;
  readonly handler: SyncHandler;
  /** Null if the node keeps no audit log. */
  readonly audit: Audit | null;
}

type PeerLocals = SealedLocals<AuthenticatedPeer>;

/** Maximum number of requests per minute from one peer: more than its pushes, comparisons and pages need. */
const PEER_RATE_PER_MINUTE = 6_000;
/** Limits for each peer: for all its requests, and for its snapshot requests (protocol.md §10, Bounds). */
const UNDER_WAY: UnderWayLimits = { maxUnderWay: 8, maxWaiting: 64, waitTimeoutMs: 5_000 };
const SNAPSHOTS_UNDER_WAY: UnderWayLimits = { ...UNDER_WAY, maxUnderWay: 2 };

/** @param countClient counts a request without a peer's proof against its client's limit; peers have a separate limit (protocol.md §8) */
export function syncHandlers(options: SyncOptions, modules: SyncModules, countClient: (request: Request) => void): (RequestHandler | ErrorRequestHandler)[] {
  const secretConfirmed = requireConfirmedSecret(modules);
  const { handler } = modules;
  const bounds = { bytes: new InflightBytes(options.maxInflightBytes / 2), underWay: new RequestsUnderWay(UNDER_WAY, modules) };
  return [
    secretConfirmed,
    authenticatePeer(modules, countClient),
    auditPeer<PeerLocals>(modules.audit),
    limitPeer(new RateLimit(PEER_RATE_PER_MINUTE, modules, MAX_MEMBERS)),
    admit<PeerLocals>(bounds, ({ caller }) => caller.member.wallet),
    readBody(options.maxSyncPayloadBytes),
    openEnvelope<PeerLocals>(modules),
    enterAlso<PeerLocals>(new RequestsUnderWay(SNAPSHOTS_UNDER_WAY, modules), ({ inner }) => handler.snapshotChars(inner) !== null),
    // A request does not wait between these checks and its handler, so they still hold when the handler runs.
    secretConfirmed,
    requireStillMember(modules),
    requireHmac(modules),
    reserveSnapshot(handler),
    sendSealed<PeerLocals>(modules, 'x-kms-peer-signature', async ({ caller, inner }) => ({ status: 200, body: await handler.handle(caller.member, inner) })),
    noteFailedWork,
  ] as (RequestHandler | ErrorRequestHandler)[];
}

function authenticatePeer({ authenticator, identity }: SyncModules, countClient: (request: Request) => void): SealedHandler<PeerLocals> {
  return (request, { locals }, next) => {
    locals.nodeWallet = knownIdentity(identity()).wallet;
    try {
      locals.caller = authenticator.peer(request.headers as Readonly<Record<string, string>>, locals.nodeWallet);
    } catch (error) {
      countClient(request as unknown as Request);
      throw error;
    }
    next();
  };
}

function limitPeer(limit: RateLimit): SealedHandler<PeerLocals> {
  return (_request, { locals }, next) => {
    limit.take(locals.caller.member.wallet);
    next();
  };
}

/** Reserves memory for the whole snapshot page before any of it is made, because pages for several requests are made at the same time. */
function reserveSnapshot(handler: SyncHandler): SealedHandler<PeerLocals> {
  return (_request, { locals }, next) => {
    const chars = handler.snapshotChars(locals.inner);
    if (chars !== null) locals.admission.lease.reserve(chars * WIRE_FACTOR);
    next();
  };
}

/**
 * Checks that the sender is still a member. Its entry may have changed since authentication. For example, it may now be marked
 * `asLastRead`. So the handler gets the current entry.
 */
function requireStillMember({ directory }: Pick<SyncModules, 'directory'>): SealedHandler<PeerLocals> {
  return (_request, { locals }, next) => {
    const member = entryOf(locals.caller.member, directory.membership());
    if (member === undefined) throw new RefusalError('forbidden', 'the signer is no longer a member');
    locals.caller = { ...locals.caller, member };
    next();
  };
}

function requireHmac({ handler, vault }: Pick<SyncModules, 'handler' | 'vault'>): SealedHandler<PeerLocals> {
  return (request, { locals }, next) => {
    if (handler.requiresHmac(locals.inner)) {
      const signature = String(request.headers['x-sync-signature'] ?? '').trim();
      if (!vault.verifySyncHmac(canonicalPieces(locals.body), signature)) {
        throw new RefusalError('forbidden', 'x-sync-signature is missing or wrong');
      }
    }
    // The body of a delta may take up megabytes, and is not needed while its records are merged. So its memory is freed here.
    locals.body = undefined;
    next();
  };
}
