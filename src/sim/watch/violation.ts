/** A rule that the product must keep and did not. */

export interface Violation {
  readonly invariant: string;
  readonly detail: string;
  /** The node that broke it; null where it is not a single one. */
  readonly node: string | null;
  /** Simulated milliseconds. */
  readonly atMs: number;
}

/** Reports a violation, and by which node if by one; the first one ends the simulation. */
export type Report = (invariant: string, detail: string, node?: string) => void;

/** How often each invariant was looked at. */
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
