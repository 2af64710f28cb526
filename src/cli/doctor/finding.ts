/** The findings of `nova-kms doctor`: one line per check, with advice if the check failed. */
import { plainJson, plainText } from '../plain-text.ts';

export type Outcome = 'ok' | 'failed' | 'not checked';

export interface Finding {
  /** Group and subject, such as `chain.head_age`. Scripts rely on these names. */
  readonly check: string;
  readonly outcome: Outcome;
  /** What the check found, in words. */
  readonly detail: string;
  /** What the user should do. Only a failed check has advice. */
  readonly advice?: string;
}

/** Maximum length of a detail, which may contain any text that a peer or an RPC endpoint sent. Characters. */
const MAX_DETAIL_CHARS = 400;

export function ok(check: string, detail: string): Finding {
  return { check, outcome: 'ok', detail };
}

export function failed(check: string, detail: string, advice: string): Finding {
  return { check, outcome: 'failed', detail, advice };
}

/** The finding for a check that could not be made. */
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

/** Returns one line per check. The advice for a failed check is a second line. */
export function findingLines({ check, outcome, detail, advice }: Finding): readonly string[] {
  const line = `${outcome.padEnd(11)}  ${check.padEnd(26)}  ${plainText(detail, MAX_DETAIL_CHARS)}`.trimEnd();
  return advice === undefined ? [line] : [line, `${' '.repeat(13)}→ ${advice}`];
}

/** The report of `--json`, as one line. Unsafe characters are escaped, because a peer or an RPC endpoint may send any text. */
export function reportLine(report: DoctorReport): string {
  return plainJson(report);
}
