/** What a fuzzer is made of: cases drawn by fast-check, and a check that throws where a rule is broken. */
import type fc from 'fast-check';

export interface Target<Case = unknown> {
  readonly name: string;
  /** What is drawn. */
  readonly cases: fc.Arbitrary<Case>;
  /** Cases of one batch: a batch starts with everything fresh. */
  readonly batch: number;
  /** What a batch runs on. */
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
