/** The gates: whether this node may answer now. They read only the machine's state, and whether the node is stopping (protocol.md §2). */
import type { RequestHandler } from 'express';
import { RefusalError } from '../domain/errors.ts';
import type { ReadinessView } from '../domain/readiness.ts';
import { reasonLine } from '../domain/reasons.ts';

export interface GateModules {
  readonly readiness: () => ReadinessView;
  readonly isStopping: () => boolean;
}

export function refuseWhenStopping({ isStopping }: Pick<GateModules, 'isStopping'>): RequestHandler {
  return (_request, _response, next) => {
    if (isStopping()) throw new RefusalError('service_unavailable', 'the node is stopping');
    next();
  };
}

/** The gate of `/kms` and every path below it. */
export function requireReady({ readiness }: Pick<GateModules, 'readiness'>): RequestHandler {
  return (_request, _response, next) => {
    assertReady(readiness());
    next();
  };
}

/** The gate of `/sync`, which needs only the master secret. */
export function requireConfirmedSecret({ readiness }: Pick<GateModules, 'readiness'>): RequestHandler {
  return (_request, _response, next) => {
    assertSecretConfirmed(readiness());
    next();
  };
}

/** @throws RefusalError service_unavailable with the reason and the seconds until the next node_tick */
export function assertReady(view: ReadinessView): void {
  if (view.state !== 'ready') throw unavailable(view);
}

/** @throws the same refusal as `assertReady` */
export function assertSecretConfirmed(view: ReadinessView): void {
  if (!view.secretConfirmed) throw unavailable(view);
}

function unavailable(view: ReadinessView): RefusalError {
  const why = view.reason === null ? 'the master secret is not confirmed' : reasonLine(view.reason);
  return new RefusalError('service_unavailable', why, Math.ceil((view.nextTickInMs ?? 1_000) / 1000));
}
