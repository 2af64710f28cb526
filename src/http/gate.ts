/** May this node answer now? The gates read the machine's state and nothing else (protocol.md §2). */
import type { RequestHandler } from 'express';
import { RefusalError } from '../domain/errors.ts';
import type { ReadinessView } from '../domain/readiness.ts';
import { reasonLine } from '../domain/reasons.ts';

export interface GateModules {
  /** The machine's state. */
  readonly readiness: () => ReadinessView;
  /** The node stops: new requests are refused. */
  readonly isStopping: () => boolean;
}

export function refuseWhenStopping({ isStopping }: Pick<GateModules, 'isStopping'>): RequestHandler {
  return (_request, _response, next) => {
    if (isStopping()) throw new RefusalError('service_unavailable', 'the node is stopping');
    next();
  };
}

/** Before `/kms` and all below it. */
export function requireReady({ readiness }: Pick<GateModules, 'readiness'>): RequestHandler {
  return (_request, _response, next) => {
    assertReady(readiness());
    next();
  };
}

/** Before `/sync`, which depends on the master secret alone. */
export function requireConfirmedSecret({ readiness }: Pick<GateModules, 'readiness'>): RequestHandler {
  return (_request, _response, next) => {
    assertSecretConfirmed(readiness());
    next();
  };
}

/** @throws RefusalError service_unavailable with the reason and when the next node_tick comes */
export function assertReady(view: ReadinessView): void {
  if (view.state !== 'ready') throw unavailable(view);
}

/** @throws as `assertReady` */
export function assertSecretConfirmed(view: ReadinessView): void {
  if (!view.secretConfirmed) throw unavailable(view);
}

function unavailable(view: ReadinessView): RefusalError {
  const why = view.reason === null ? 'the master secret is not confirmed' : reasonLine(view.reason);
  return new RefusalError('service_unavailable', why, Math.ceil((view.nextTickInMs ?? 1_000) / 1000));
}
