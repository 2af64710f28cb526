/** Violations: rules that the product broke. This file defines how they are reported, and counts the checks of each rule. */

export interface Violation {
  readonly invariant: string;
  readonly detail: string;
  /** The node that broke the rule; null when no single node did. */
  readonly node: string | null;
  /** Simulated milliseconds. */
  readonly atMs: number;
}

/** Reports a violation, with the node if a single node broke the rule. The first violation ends the simulation. */
export type Report = (invariant: string, detail: string, node?: string) => void;

/** Counts the checks of each invariant. */
export class Checks {
  readonly counts = new Map<string, number>();

  note(invariant: string): void {
    this.counts.set(invariant, (this.counts.get(invariant) ?? 0) + 1);
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }
}
