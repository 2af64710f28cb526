/**
 * `/livez`, `/readyz` and `/readyz/<check>` (`probes.ts`), which a node also answers while it stops. Like `/health`, `/livez` has no
 * rate limit; the other two are counted like `/status`.
 */
import { Router, type RequestHandler } from 'express';
import type { ChainFigures, EnclaveFigures } from '../domain/figures.ts';
import type { ClientLimits } from './client-limit.ts';
import type { GateModules } from './gate.ts';
import { LIVE_CHECKS, probe, readProbeQuery, READY_CHECKS, type Checks, type ProbedState } from './probes.ts';
import { rawQuery } from './query.ts';
import { methodNotAllowed } from './unknown-route.ts';

export interface ProbeModules extends GateModules {
  readonly chain: () => ChainFigures;
  readonly enclaveFigures: () => EnclaveFigures;
}

export function probeRoutes(modules: ProbeModules, limits: Pick<ClientLimits, 'general' | 'open'>): Router {
  const state = (): ProbedState => ({
    view: modules.readiness(),
    chain: modules.chain(),
    enclave: modules.enclaveFigures(),
    isStopping: modules.isStopping(),
  });
  const refuse = [limits.general, methodNotAllowed];
  const router = Router({ caseSensitive: true, strict: true });
  router.route('/livez').get(answer('livez', LIVE_CHECKS, () => undefined)).all(refuse);
  router.route('/readyz').get(limits.open, answer('readyz', READY_CHECKS, state)).all(refuse);
  for (const name of Object.keys(READY_CHECKS)) {
    router.route(`/readyz/${name}`).get(limits.open, answer('readyz', READY_CHECKS, state, [name])).all(refuse);
  }
  return router;
}

function answer<State>(name: string, checks: Checks<State>, state: () => State, names = Object.keys(checks)): RequestHandler {
  const known = Object.keys(checks);
  return (request, response) => {
    const { isOk, text } = probe(name, checks, state(), { names, ...readProbeQuery(rawQuery(request.url), known) });
    response.status(isOk ? 200 : 503).type('text/plain').send(text);
  };
}
