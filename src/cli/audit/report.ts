/** The verdict that `nova-kms audit verify` prints. */
import type { AuditReport } from '../../audit/verifier.ts';

export interface AuditVerdict extends AuditReport {
  /** true: there are entries and no problems; with `complete`, it also means that no entry is missing or unsigned. */
  readonly ok: boolean;
}

/** @param complete true: also requires that no entry is missing or unsigned */
export function verdictOf(report: AuditReport, complete: boolean): AuditVerdict {
  const isComplete = report.missing === 0 && report.unsigned === 0;
  return { ok: report.problems.length === 0 && report.entries > 0 && (!complete || isComplete), ...report };
}

export function verdictLines({ ok, chains, entries, checkpoints, wallets, missing, unsigned, problems }: AuditVerdict): readonly string[] {
  return [
    `entries      ${entries}, in ${chains} chain${chains === 1 ? '' : 's'}: one for each start of the node`,
    `checkpoints  ${checkpoints}${wallets.length === 0 ? '' : `, signed by ${wallets.join(', ')}`}`,
    `missing      ${missing}, which the node had dropped before they were read`,
    `unsigned     ${unsigned}, after the last checkpoint of their chain`,
    ...problems.map(({ line, what }) => `line ${line}: ${what}`),
    ok ? 'verified' : 'not verified',
  ];
}
