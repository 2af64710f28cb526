/**
 * The Express app of a node (protocol.md §2). The protocol fixes the order of the checks: stopping, rate limit, gate, authentication, body.
 * Where clients cannot be told apart by address, the rate limit is applied during authentication. Each route gets only the modules that it
 * needs.
 */
import type { RequestListener } from 'node:http';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import { RefusalError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';
import { auditRoutes, type AuditModules } from './audit-routes.ts';
import { attestationRoutes, type AttestationModules } from './attestation.ts';
import { rememberingTrust } from './client-address.ts';
import { createClientLimits, type ClientLimitOptions } from './client-limit.ts';
import { leaveBodyUnread } from './body.ts';
import { cors } from './cors.ts';
import { handleErrors, sendError, type ErrorModules } from './error-handler.ts';
import { refuseWhenStopping, type GateModules } from './gate.ts';
import { InflightBytes } from './inflight-bytes.ts';
import { inTurn } from './in-turn.ts';
import { kmsRoutes, type KmsModules, type KmsOptions } from './kms-routes.ts';
import { metricsRoutes, type MetricsModules } from './metrics-route.ts';
import { nodeRoutes, nonceRoute, type NodeModules } from './node-routes.ts';
import { OpenAnswers } from './open-answers.ts';
import { openApiRoutes } from './openapi-route.ts';
import { probeRoutes, type ProbeModules } from './probe-routes.ts';
import { checkTarget, originForm } from './request-target.ts';
import type { StatusOptions } from './status.ts';
import { syncHandlers, type SyncModules, type SyncOptions } from './sync-route.ts';
import { notFound } from './unknown-route.ts';

export interface AppOptions extends ClientLimitOptions, StatusOptions, KmsOptions, SyncOptions {}

export interface AppModules {
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  readonly gate: Pick<GateModules, 'isStopping'>;
  readonly node: NodeModules;
  readonly probes: ProbeModules;
  /** If absent, the main port has no `/metrics`. */
  readonly metrics?: MetricsModules | undefined;
  /** If absent, there is no attestation route. */
  readonly attester?: AttestationModules['attester'] | undefined;
  readonly kms: KmsModules;
  readonly sync: SyncModules;
  readonly errors: ErrorModules;
  /** Makes the OpenAPI document as JSON; called once. If absent, there is no `/openapi.json`. */
  readonly openApi?: (() => Promise<string>) | undefined;
  /** Null if the node keeps no audit log. */
  readonly audit: AuditModules | null;
}

const uncached: RequestHandler = (_request, response, next) => {
  response.setHeader('cache-control', 'no-store');
  next();
};

export function createApp(options: AppOptions, modules: AppModules): Express {
  const limits = createClientLimits(options, modules);
  // Half of `MAX_INFLIGHT_BYTES` is for these routes, and half for `/sync`.
  const bytes = new InflightBytes(options.maxInflightBytes / 2);
  const answers = new OpenAnswers(bytes);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.set('query parser', false);
  app.set('trust proxy', options.trustedProxies.length === 0 ? false : [...options.trustedProxies]);
  app.set('trust proxy', rememberingTrust(app.get('trust proxy fn') as Parameters<typeof rememberingTrust>[0]));

  const refuseStopping = refuseWhenStopping(modules.gate);
  app.use(inTurn(leaveBodyUnread, cors, uncached, checkTarget));
  app.use('/kms', inTurn(refuseStopping, limits.open), kmsRoutes(options, modules.kms, limits, bytes), inTurn(limits.rest, notFound));
  // Express tries routers in order. Callers ask for a nonce before most other requests, so this router comes before the ones that are used
  // less.
  app.use(nonceRoute(modules.node, limits, refuseStopping));
  // Probes come before `refuseStopping`, because they must be able to report that the node is stopping.
  app.use(probeRoutes(modules.probes, limits));
  // `/audit` also comes before `refuseStopping`, because a stopping node lets a reader fetch the last entry (node/stop-answering.ts).
  if (modules.audit !== null) app.use(auditRoutes(modules.audit, limits));
  if (modules.metrics !== undefined) app.use(metricsRoutes(modules.metrics, limits));
  app.use(refuseStopping);
  if (modules.attester !== undefined) app.use(attestationRoutes({ clock: modules.clock, attester: modules.attester }, limits));
  if (modules.openApi !== undefined) app.use(openApiRoutes(modules.openApi, limits));
  app.use(nodeRoutes(options, modules.node, limits, syncHandlers(options, modules.sync, limits.count), answers));
  app.use(limits.general, notFound);
  app.use(handleErrors(modules.errors));
  return app;
}

/**
 * The app as a server's listener. If Express cannot route a target, this listener answers in the JSON form that all errors have, not in
 * HTML.
 */
export function listenerOf(app: Express): RequestListener {
  const unrouted = new RefusalError('bad_request', 'the request target is not valid');
  return (request, response) => {
    // Express copies the URL as soon as it gets the request, so the URL is rewritten before that.
    request.url = originForm(request.url ?? '');
    app(request as Request, response as Response, (error?: unknown) =>
      sendError(error ?? unrouted, request as Request, response as Response),
    );
  };
}
