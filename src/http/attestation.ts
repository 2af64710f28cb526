/**
 * `POST /.well-known/attestation`: the enclave's attestation document, which proves to a client what code runs here. The document comes
 * unchanged from the enclave API (protocol.md §7), which receives only the nonce from the request. A document is expensive to make, and
 * anyone may ask for one. So the node asks the API for at most one document per second, for all callers together.
 */
import { Router, type RequestHandler } from 'express';
import { z } from 'zod';
import { BASE64_PATTERN, isBase64 } from '../crypto/base64.ts';
import { DependencyError, RefusalError } from '../domain/errors.ts';
import type { Attester, Clock } from '../domain/ports.ts';
import { readJson } from './body.ts';
import type { ClientLimits } from './client-limit.ts';
import { methodNotAllowed } from './unknown-route.ts';

/** Minimum time between two calls to the enclave API. Milliseconds. */
const CALL_EVERY_MS = 1_000;
/**
 * Maximum size of a body. Bodies do not count towards `MAX_INFLIGHT_BYTES`, because the node begins to read at most one per second, and
 * reads each for at most 30 s. Bytes.
 */
const MAX_BODY_BYTES = 4 * 1024;
/** Maximum length of a nonce in base64. It corresponds to 512 bytes, which is the most that the hardware accepts. Characters. */
const MAX_NONCE_CHARS = 684;

export const attestationRequest = z.object({ nonce: z.string().max(MAX_NONCE_CHARS).refine(isBase64).meta({ contentEncoding: 'base64', pattern: BASE64_PATTERN }).nullish() });
const UNCOUNTED = { expect: () => undefined, add: () => undefined };

export interface AttestationModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly attester: Attester;
}

export function attestationRoutes(modules: AttestationModules, limits: Pick<ClientLimits, 'general' | 'open'>): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/.well-known/attestation')
    .post(limits.open, oneASecond(modules.clock), attest(modules.attester))
    .all([limits.general, methodNotAllowed]);
  return router;
}

/** Runs before the body is read, so it also limits how many bodies are read. */
function oneASecond(clock: Pick<Clock, 'monotonicMs'>): RequestHandler {
  let nextMs = -Infinity;
  return (_request, _response, next) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < nextMs) throw new RefusalError('rate_limited', 'the node makes at most one attestation per second, for all callers together', 1);
    nextMs = nowMs + CALL_EVERY_MS;
    next();
  };
}

function attest(attester: Attester): RequestHandler {
  return async (request, response) => {
    const { success, data } = attestationRequest.default({}).safeParse(await readJson(request, MAX_BODY_BYTES, UNCOUNTED));
    if (!success) throw new RefusalError('bad_request', `nonce is not base64 of at most ${MAX_NONCE_CHARS} characters`);
    const document = await documentFor(attester, data.nonce ?? null);
    if (document === null) throw new RefusalError('not_found', 'the enclave makes no attestations');
    response.type('application/cbor').send(document);
  };
}

async function documentFor(attester: Attester, nonce: string | null): Promise<Buffer | null> {
  try {
    return await attester.attestation(nonce);
  } catch (error) {
    const isRefused = error instanceof DependencyError && error.failure === 'refused' && error.status === 400;
    throw isRefused ? new RefusalError('bad_request', 'the enclave does not accept this nonce') : error;
  }
}
