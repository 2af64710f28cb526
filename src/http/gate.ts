/** May this node answer now? A function of the machine's state and nothing else (protocol.md §2). */
import { RefusalError } from '../domain/errors.ts';
import type { ReadinessView } from '../domain/readiness.ts';
import { reasonLine } from '../domain/reasons.ts';

export type Gate = 'none' | 'ready' | 'secret confirmed';

function unavailable(view: ReadinessView): RefusalError {
  const why = view.reason === null ? 'the master secret is not confirmed' : reasonLine(view.reason);
  return new RefusalError('service_unavailable', why, Math.ceil((view.nextTickInMs ?? 1_000) / 1000));
}

/** @throws RefusalError service_unavailable with the reason and when the next node_tick comes */
export function assertOpen(gate: Gate, view: ReadinessView): void {
  switch (gate) {
    case 'none':
      return;
    case 'ready':
      if (view.state !== 'ready') throw unavailable(view);
      return;
    case 'secret confirmed':
      if (!view.secretConfirmed) throw unavailable(view);
  }
}
