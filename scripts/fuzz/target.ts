/** A target of the fuzzer: cases that fast-check draws, and a check that throws when a case breaks a rule. */
import type fc from 'fast-check';

export interface Target<Case = unknown> {
  readonly name: string;
  /** The cases to draw from. */
  readonly cases: fc.Arbitrary<Case>;
  /** Cases of one batch. Each batch starts with a fresh state. */
  readonly batch: number;
  /** Starts the program under test for a batch. */
  readonly start: () => Promise<Running<Case>>;
}

export interface Running<Case> {
  /** @throws Error that says which rule the case broke */
  check(given: Case): Promise<void>;
  close(): Promise<void>;
}

/** Keeps the type of the cases inside. */
export function target<Case>(definition: Target<Case>): Target {
  return definition;
}
