/** A target of the fuzzer: cases that fast-check generates, and a check that throws when a case breaks a rule. */
import type fc from 'fast-check';

export interface Target<Case = unknown> {
  readonly name: string;
  /** Generates the cases. */
  readonly cases: fc.Arbitrary<Case>;
  /** Number of cases in one batch. Each batch starts with a fresh state. */
  readonly batch: number;
  /** Starts the program under test for a batch. */
  readonly start: () => Promise<Running<Case>>;
}

export interface Running<Case> {
  /** @throws Error with the rule that the case broke */
  check(given: Case): Promise<void>;
  close(): Promise<void>;
}

/**
 * Lets the compiler check that `check` accepts the cases that `cases` generates. The type of the result does not contain the type of the
 * cases, so that one list can hold all targets.
 */
export function target<Case>(definition: Target<Case>): Target {
  return definition;
}
