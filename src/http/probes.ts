/**
 * Probes: `/livez` tells whether a node should be restarted, `/readyz` whether it should get requests. The answers have the form of etcd's
 * and Kubernetes' probes. The functions are pure: they take the state of a node at one moment, and return the text of an answer.
 *
 * Invariant: when no check fails, the gate of `/kms` is open (`gate.ts`).
 */
import { RefusalError } from '../domain/errors.ts';
import type { ChainFigures, EnclaveFigures } from '../domain/figures.ts';
import type { ReadinessView } from '../domain/readiness.ts';
import { reasonLine } from '../domain/reasons.ts';

/** The state that the checks read, at one moment. */
export interface ProbedState {
  readonly view: ReadinessView;
  readonly chain: ChainFigures;
  readonly enclave: EnclaveFigures;
  readonly isStopping: boolean;
}

/** @returns why the check fails; null when it passes */
type Check<State> = (state: State) => string | null;

export type Checks<State> = Readonly<Record<string, Check<State>>>;

/** A process that answers has a running event loop. Chain, enclave and peers are not checked, because a restart would not fix them. */
export const LIVE_CHECKS: Checks<unknown> = { event_loop: () => null };

export const READY_CHECKS = {
  /** This node is an eligible member according to the last good view. */
  membership: ({ view }) => (view.state === 'ineligible' ? reasonOf(view) : null),
  /** The last good view of the chain is recent enough for this node to be ready. */
  chain_fresh: ({ chain }) => (chain.isFresh ? null : (chain.failing?.why ?? 'the chain has not been read yet')),
  /** This node has the secret whose hash the chain shows. */
  secret_confirmed: ({ view }) => (view.secretConfirmed && view.state !== 'bootstrapping' ? null : reasonOf(view)),
  /** The first snapshot has been installed, or is not needed, or no member could send one. */
  first_snapshot: ({ view }) => (view.firstSnapshot === 'missing' || (view.secretConfirmed && view.state === 'syncing-secret') ? reasonOf(view) : null),
  /** The enclave API opens envelopes and signs answers. */
  enclave_api: ({ enclave }) => enclave.failing,
  stopping: ({ isStopping }) => (isStopping ? 'the node is stopping' : null),
} satisfies Checks<ProbedState>;

function reasonOf({ reason, state }: ReadinessView): string {
  return reason === null ? `the node is ${state}` : reasonLine(reason);
}

export interface ProbeRequest {
  /** The checks to run: one for `/readyz/<check>`, otherwise all. */
  readonly names: readonly string[];
  readonly excluded: ReadonlySet<string>;
  readonly isVerbose: boolean;
}

export interface ProbeAnswer {
  readonly isOk: boolean;
  /** `ok`, or one line for each check and one for the result, each ending with a line break. */
  readonly text: string;
}

/**
 * @param query without its `?`: `verbose`, and `exclude`, which may occur more than once
 * @throws RefusalError bad_request when the query excludes a check that does not exist
 */
export function readProbeQuery(query: string, known: readonly string[]): Omit<ProbeRequest, 'names'> {
  const parameters = new URLSearchParams(query);
  const excluded = new Set(parameters.getAll('exclude'));
  for (const name of excluded) {
    if (!known.includes(name)) throw new RefusalError('bad_request', `there is no such check to exclude: the checks are ${known.join(', ')}`);
  }
  return { excluded, isVerbose: parameters.has('verbose') };
}

/** @param name the name of the probe, for the last line: `livez` or `readyz` */
export function probe<State>(name: string, checks: Checks<State>, state: State, { names, excluded, isVerbose }: ProbeRequest): ProbeAnswer {
  const lines: string[] = [];
  let isOk = true;
  for (const check of names) {
    if (excluded.has(check)) {
      lines.push(`[+]${check} excluded: ok`);
      continue;
    }
    const why = checks[check]!(state);
    if (why !== null) isOk = false;
    lines.push(why === null ? `[+]${check} ok` : `[-]${check} failed: ${why}`);
  }
  if (isOk && !isVerbose) return { isOk, text: 'ok' };
  lines.push(`${name} check ${isOk ? 'passed' : 'failed'}`);
  return { isOk, text: `${lines.join('\n')}\n` };
}
