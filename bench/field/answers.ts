/** Counts the answers that honest callers get from nodes, separately for each phase of a node. A 503 from a booting node is correct. */

export type Phase = 'down' | 'booting' | 'ready';

/** The current phase of each node, by the node's registered URL. A node whose phase was never set is down. */
export class Phases {
  readonly #phases = new Map<string, Phase>();

  set(url: string, phase: Phase): void {
    this.#phases.set(url, phase);
  }

  of(url: string): Phase {
    return this.#phases.get(url) ?? 'down';
  }
}

export interface Failure {
  readonly node: string;
  /**
   * The phase of the node. If the phase changed during the request, this is the earlier of the two in the order down, booting, ready.
   */
  readonly phase: Phase;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  /** Status and message, or the reason why there was no answer. */
  readonly what: string;
}

const ORDER: readonly Phase[] = ['down', 'booting', 'ready'];

export class Answers {
  answered = 0;
  readonly #counts = new Map<string, Failure & { count: number }>();
  readonly #phases: Phases;
  readonly #nameOf: (url: string) => string;

  constructor(modules: { readonly phases: Phases; readonly nameOf: (url: string) => string }) {
    this.#phases = modules.phases;
    this.#nameOf = modules.nameOf;
  }

  /**
   * Call this before a request, and call the returned function with the status and body of the answer. If there was no answer, pass
   * undefined as the status and the reason as the text.
   */
  begin(url: string): (status: number | undefined, text: string) => void {
    const before = this.#phases.of(url);
    return (status, text) => {
      const after = this.#phases.of(url);
      const phase = ORDER[Math.min(ORDER.indexOf(before), ORDER.indexOf(after))]!;
      if (status !== undefined && status < 500 && status !== 429 && status !== 413) this.answered += 1;
      else this.#note({ node: this.#nameOf(url), phase, status, what: status === undefined ? `no answer: ${text}` : `${status} ${messageOf(text)}` });
    };
  }

  /** Failed requests to nodes in this phase, most frequent kind first. */
  failures(phase: Phase): readonly (Failure & { readonly count: number })[] {
    return [...this.#counts.values()].filter((each) => each.phase === phase).sort((a, b) => b.count - a.count);
  }

  count(phase: Phase): number {
    return this.failures(phase).reduce((sum, { count }) => sum + count, 0);
  }

  /** Number of failed requests to all nodes, by status; requests without an answer are one group. Largest group first. */
  byStatus(): readonly (readonly [string, number])[] {
    const counts = new Map<string, number>();
    for (const { status, count } of this.#counts.values()) {
      const what = status === undefined ? 'no answer' : String(status);
      counts.set(what, (counts.get(what) ?? 0) + count);
    }
    return [...counts].sort(([, a], [, b]) => b - a);
  }

  /** Number of 5xx answers from nodes in this phase. */
  serverErrors(phase: Phase): number {
    return this.failures(phase).reduce((sum, { status = 0, count }) => sum + (status >= 500 ? count : 0), 0);
  }

  #note(failure: Failure): void {
    const key = `${failure.node} ${failure.phase} ${failure.what}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { ...failure, count: 1 });
    else known.count += 1;
  }
}

/** The message of an error, with `N` in place of its numbers, so that messages that differ only in numbers are counted together. */
function messageOf(text: string): string {
  const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text;
  return message.slice(0, 160).replaceAll(/\d+/g, 'N');
}
