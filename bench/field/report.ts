/** The results of a field run as text. Pure: the report can be created at any time during the run. */
import { table } from '../statistics.ts';
import type { Answers } from './answers.ts';
import type { LastLookResult } from './last-look.ts';

type Counts = readonly (readonly [string, number])[];

export interface FieldFigures {
  readonly minutes: number;
  /** Whether the run was interrupted. */
  readonly isCutShort: boolean;
  readonly calls: number;
  readonly failed: number;
  /** Number of calls that were not made because too many calls were under way. */
  readonly heldBack: number;
  /** Number of acknowledged writes. */
  readonly acknowledged: number;
  /** Number of writes that only one node acknowledged, shortly before it was killed. */
  readonly excused: number;
  readonly deathWindowMs: number;
  /** Number of acknowledged writes that were read back before the last look. */
  readonly checks: number;
  readonly wrong: readonly string[];
  readonly failures: Counts;
  readonly answers: Pick<Answers, 'byStatus' | 'count' | 'failures' | 'serverErrors'>;
  /** Null when the last look did not begin. */
  readonly lastLook: LastLookResult | null;
  /** For each killed node, whether it became ready again, and how long after its death; one line each. */
  readonly deaths: readonly string[];
  readonly errors: Counts;
  readonly hostile: Counts;
  readonly refusedToMember: Counts;
  readonly rpc: Counts;
  readonly nodeNames: readonly string[];
  /** Memory of each node in MiB, by time. */
  readonly memory: readonly (readonly [string, readonly (number | string)[]])[];
}

/** Maximum number of lines printed for each list. */
const SHOWN = 12;

export function reportOf(figures: FieldFigures): string {
  const { answers, lastLook } = figures;
  const lines = [
    '',
    `length of the run: ${figures.minutes.toFixed(1)} minutes${figures.isCutShort ? ', INTERRUPTED' : ''}`,
    `calls: ${figures.calls} (failed: ${figures.failed}); calls not made because too many were under way: ${figures.heldBack}`,
    `failed requests, by status: ${inLine(answers.byStatus())}`,
    `answers with 5xx from ready nodes: ${answers.serverErrors('ready')}, from booting nodes: ${answers.serverErrors('booting')}, from dead or hostile nodes: ${answers.serverErrors('down')}`,
    `acknowledged writes: ${figures.acknowledged}; acknowledged by one node only, less than ${figures.deathWindowMs} ms before it was killed: ${figures.excused}; read back during the run: ${figures.checks}`,
    ...(lastLook === null ? ['the last look did not begin'] : lastLookLines(lastLook)),
    list('wrong answers', figures.wrong),
    list('failed calls', counted(figures.failures)),
    ...(['ready', 'booting', 'down'] as const).map((phase) => list(`kinds of failed requests to nodes that were ${phase} (${answers.count(phase)} requests)`, answers.failures(phase).map(({ node, what, count }) => `${count} x ${node}: ${what}`))),
    list('deaths', figures.deaths),
    list('errors that nodes logged', counted(figures.errors)),
    `sent by hostile callers and the hostile member: ${inLine(figures.hostile)}`,
    list('requests of the hostile member that nodes refused', counted(figures.refusedToMember)),
    `requests to the RPC, by backend or kind of failure: ${inLine(figures.rpc)}`,
    table([['RSS, MiB', ...figures.nodeNames], ...figures.memory.map(([when, residents]) => [when, ...residents])]),
    '',
  ];
  return lines.join('\n');
}

/** Exit code 1: a write was lost or an answer was wrong. 2: an acknowledged write could not be checked on any node. Otherwise 0. */
export function exitCodeOf(wrong: readonly string[], { lost, foreign, nowhereChecked }: LastLookResult): number {
  if (wrong.length + lost.length + foreign.length > 0) return 1;
  return nowhereChecked > 0 ? 2 : 0;
}

function lastLookLines({ due, read, byEqualStore, lost, foreign, unchecked, nowhereChecked }: LastLookResult): readonly string[] {
  const sum = [...unchecked.values()].reduce((total, count) => total + count, 0);
  return [
    `last look: ${read + byEqualStore} of ${due} pairs of a key and a node were checked: ${read} by reading the key, ${byEqualStore} because the node's store equals one that was read`,
    `pairs that could not be checked: ${sum}${sum === 0 ? '' : ` (${inLine([...unchecked])})`}; keys that could not be checked on any node: ${nowhereChecked}`,
    list('acknowledged writes that were lost', lost),
    list('values that were never written', foreign),
  ];
}

function inLine(counts: Counts): string {
  return counts.length === 0 ? 'none' : counts.map(([what, count]) => `${what}: ${count}`).join(', ');
}

function counted(counts: Counts): readonly string[] {
  return counts.map(([what, count]) => `${count} x ${what}`);
}

function list(title: string, rows: readonly string[]): string {
  const rest = rows.length > SHOWN ? [`  and ${rows.length - SHOWN} more`] : [];
  return [`${title}: ${rows.length}`, ...rows.slice(0, SHOWN).map((row) => `  ${row}`), ...rest].join('\n');
}
