/** What `nova-kms doctor` found, one line a check, and what to do where a check failed. */
import { plainText } from '../plain-text.ts';

export type Outcome = 'ok' | 'failed' | 'not checked';

export interface Finding {
  /** Room and subject, such as `chain.head_age`; stable, for scripts. */
  readonly check: string;
  readonly outcome: Outcome;
  /** What was seen, in words. */
  readonly detail: string;
  /** What to do; only of a check that failed. */
  readonly advice?: string;
}

/** A peer or an RPC may send anything. Characters. */
const MAX_DETAIL_CHARS = 400;

export function ok(check: string, detail: string): Finding {
  return { check, outcome: 'ok', detail };
}

export function failed(check: string, detail: string, advice: string): Finding {
  return { check, outcome: 'failed', detail, advice };
}

/** A check whose result means nothing while another one fails. */
export function notChecked(check: string, why: string): Finding {
  return { check, outcome: 'not checked', detail: why };
}

export interface DoctorReport {
  readonly ok: boolean;
  readonly failed: number;
  readonly checks: readonly Finding[];
}

export function reportOf(checks: readonly Finding[]): DoctorReport {
  const failures = checks.filter(({ outcome }) => outcome === 'failed').length;
  return { ok: failures === 0, failed: failures, checks };
}

/** One line a check; what to do stands below the line of a failed one. */
export function findingLines({ check, outcome, detail, advice }: Finding): readonly string[] {
  const line = `${outcome.padEnd(11)}  ${check.padEnd(26)}  ${plainText(detail, MAX_DETAIL_CHARS)}`.trimEnd();
  return advice === undefined ? [line] : [line, `${' '.repeat(13)}→ ${advice}`];
}
