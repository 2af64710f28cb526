/**
 * `/kms` (protocol.md §2, §3): the routes of apps. Every path below `/kms` is behind the ready gate, even one that does not exist. A
 * caller proves its identity with headers only, before its body is read. The gate is checked again after the body, because a body may
 * take a long time to arrive.
 */
import { Router, type Request } from 'express';
import type { AppProof, Authenticator } from '../auth/authenticator.ts';
import type { Vault } from '../crypto/vault.ts';
import type { NonceBook } from '../auth/nonce-book.ts';
import type { Audit } from '../domain/audit.ts';
import type { Clock, Identity } from '../domain/ports.ts';
import { admit, noteFailedWork } from './admit.ts';
import { auditApp } from './audited.ts';
import { readBody } from './body.ts';
import type { ClientLimits } from './client-limit.ts';
import { DataHandlers, type DataModules } from './data.ts';
import { derive } from './derive.ts';
import { requireReady, type GateModules } from './gate.ts';
import type { InflightBytes } from './inflight-bytes.ts';
import { answerBound, requireBound, type AppLocals, type Operation } from './bound-request.ts';
import { rawQuery, readPathKey } from './query.ts';
import { RequestsUnderWay, type UnderWayLimits } from './requests-under-way.ts';
import { knownIdentity, openEnvelope, sendSealed, type EnvelopeModules, type SealedHandler } from './sealed-exchange.ts';
import { methodNotAllowed } from './unknown-route.ts';

export interface KmsOptions {
  /** `MAX_REQUEST_BODY_BYTES`. */
  readonly maxRequestBodyBytes: number;
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
}

export interface AppCallerModules {
  readonly authenticator: Pick<Authenticator, 'proveApp' | 'authorizeApp'>;
  /** Null until the enclave has reported the identity of this node. */
  readonly identity: () => Identity | null;
  readonly nonces: Pick<NonceBook, 'issue'>;
}

export interface KmsModules extends Pick<GateModules, 'readiness'>, AppCallerModules, EnvelopeModules, DataModules {
  readonly vault: DataModules['vault'] & Pick<Vault, 'deriveAppKey'>;
  /** Null if the node keeps no audit log. */
  readonly audit: Audit | null;
  readonly clock: Clock;
}

export type CallerLimits = Pick<ClientLimits, 'rest' | 'countProven' | 'countUnproven' | 'noteAuthorized'>;

/** Limits for each app wallet (protocol.md §10, Bounds). */
const UNDER_WAY: UnderWayLimits = { maxUnderWay: 32, maxWaiting: 256, waitTimeoutMs: 5_000 };

/** This pattern has no capture group, because Express would decode the captured text, but a key must be read as it was sent. */
const DATA_KEY_PATH = /^\/data\//;

/** @param bytes the half of `MAX_INFLIGHT_BYTES` that does not belong to `/sync` */
export function kmsRoutes(options: KmsOptions, modules: KmsModules, limits: CallerLimits, bytes: InflightBytes): Router {
  const data = new DataHandlers({ maxValueBytes: options.maxValueBytes }, modules);
  const ready = requireReady(modules);
  const authenticate = authenticateApp(modules, limits);
  const refuse = [limits.rest, methodNotAllowed];
  const bounds = { bytes, underWay: new RequestsUnderWay(UNDER_WAY, modules) };
  const admitted = admit<AppLocals>(bounds, ({ caller }) => caller.wallet);
  const audited = (operation: Operation) => auditApp(modules.audit, operation);
  const body = readBody(options.maxRequestBodyBytes);
  const open = openEnvelope<AppLocals>(modules);
  const send = (answer: Parameters<typeof answerBound>[0]) => sendSealed<AppLocals>(modules, 'x-kms-response-signature', answerBound(answer));

  const router = Router({ caseSensitive: true, strict: true });
  router.use(ready);
  router
    .route('/derive')
    .post(authenticate, audited('derive'), admitted, body, open, requireBound('derive'), ready, send(({ caller, inner }) => derive(modules.vault, caller.appId, inner)))
    .all(refuse);
  router
    .route('/data')
    .get(authenticate, admitted, ready, send(({ caller }, request) => data.query(caller.appId, rawQuery(request.url))))
    .put(authenticate, audited('put'), admitted, body, open, requireBound('put'), ready, send(({ caller, inner }) => data.put(caller.appId, inner)))
    .delete(authenticate, audited('delete'), admitted, body, open, requireBound('delete'), ready, send(({ caller, inner }) => data.delete(caller.appId, inner)))
    .all(refuse);
  router
    .route(DATA_KEY_PATH)
    .get(authenticate, admitted, ready, send(({ caller }, request) => data.readFirst(caller.appId, readPathKey(request.path.replace(DATA_KEY_PATH, '')))))
    .all(refuse);
  router.use(noteFailedWork);
  return router;
}

function authenticateApp({ authenticator, identity, nonces }: AppCallerModules, limits: CallerLimits): SealedHandler<AppLocals> {
  return async (request, response, next) => {
    const { locals } = response;
    locals.nodeWallet = knownIdentity(identity()).wallet;
    const counted = request as unknown as Request;
    let proof: AppProof;
    try {
      proof = authenticator.proveApp(request.headers as Readonly<Record<string, string>>, locals.nodeWallet);
    } catch (error) {
      limits.countUnproven(counted);
      throw error;
    }
    limits.countProven(counted, proof);
    locals.caller = await authenticator.authorizeApp(proof);
    limits.noteAuthorized(proof);
    // This saves the caller a request for its next nonce. The header is set here, so that a later refusal carries the nonce too.
    if (locals.caller.signature !== null && request.headers['x-nova-next-nonce'] === '1') response.setHeader('x-nova-next-nonce', nonces.issue());
    next();
  };
}
