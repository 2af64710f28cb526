/**
 * Checks the lines of an audit log one by one, without the node (docs/audit.md). The numbers must rise by one, and each hash must follow
 * from the previous hash. The wallet that a checkpoint names must have signed it. Each gap must be covered by a `dropped` entry of the chain.
 * One file may hold several chains, one for each start of the node.
 *
 * The verifier cannot detect that lines were removed at the end, or that lines after the last checkpoint were changed. It reports how many
 * entries no checkpoint covers.
 */
import { canonicalJson } from '../crypto/canonical-json.ts';
import { auditMessage } from '../crypto/messages.ts';
import { recoverEip191 } from '../crypto/signature.ts';
import type { Wallet } from '../domain/ids.ts';
import { auditLine, HASH_BEFORE_FIRST, nextHash, type AuditLine, type ChainedLine, type ChainPoint, type SequenceRange } from './entry.ts';

/** Maximum number of hashes that are kept for later checkpoints. A checkpoint signs an entry that may be a few seconds older. */
const REMEMBERED_HASHES = 100_000;
/** Maximum number of reported problems. Later problems often follow from the first. */
const MAX_PROBLEMS = 20;

export interface AuditProblem {
  /** The line of the input, counted from 1. */
  readonly line: number;
  readonly what: string;
}

export interface AuditReport {
  readonly chains: number;
  readonly entries: number;
  readonly checkpoints: number;
  /** The wallets that the checkpoints name. Only the registry shows whether they belong to the node. */
  readonly wallets: readonly string[];
  /** Number of entries in gaps: the node dropped them before they were read. */
  readonly missing: number;
  /**
   * Number of entries that no good checkpoint of their chain covers. A good checkpoint itself counts as covered, because it contains a signature.
   */
  readonly unsigned: number;
  readonly problems: readonly AuditProblem[];
}

type LineOf<Op extends AuditLine['op']> = Extract<AuditLine, { op: Op }>;

interface Gap extends SequenceRange {
  readonly line: number;
}

export class AuditVerifier {
  readonly #trusted: ReadonlySet<Wallet> | null;
  readonly #problems: AuditProblem[] = [];
  readonly #wallets = new Set<string>();
  #line = 0;
  #chains = 0;
  #entries = 0;
  #checkpoints = 0;
  #missing = 0;
  #unsigned = 0;
  // The following fields belong to the chain that is being read.
  #chain: string | null = null;
  #last: ChainPoint = { sequence: 0, hash: HASH_BEFORE_FIRST };
  #signedUpTo = 0;
  /** The sequence numbers of the good checkpoints after `#signedUpTo`. */
  #ownSignatures: number[] = [];
  #hashes = new Map<number, string>();
  #gaps: Gap[] = [];
  /** `dropped` entries that no checkpoint covers yet. */
  #said: LineOf<'dropped'>[] = [];
  /** The highest `up_to` of a `dropped` entry that a checkpoint covers. */
  #droppedUpTo = 0;

  /** @param trusted the wallets that may sign; if null, any wallet may sign. The report names the wallets of all checkpoints. */
  constructor(trusted: readonly Wallet[] | null = null) {
    this.#trusted = trusted === null ? null : new Set(trusted);
  }

  /** Where a reader continues: the chain that was read last (null before the first) and the number of its newest entry. */
  get position(): { readonly chain: string | null; readonly sequence: number } {
    return { chain: this.#chain, sequence: this.#last.sequence };
  }

  /** The first problem so far. Gaps are judged only at the end of their chain. */
  get first(): AuditProblem | null {
    return this.#problems[0] ?? null;
  }

  /** @param given a line, parsed as JSON */
  take(given: unknown): void {
    this.#line += 1;
    const parsed = auditLine.safeParse(given);
    if (!parsed.success) {
      this.#object('this is not an audit entry');
    } else if (parsed.data.op === 'gap') {
      this.#takeGap(parsed.data);
    } else {
      if (parsed.data.op === 'start') this.#begin(parsed.data.chain);
      this.#takeChained(parsed.data);
    }
  }

  /** Must be called once, after the last line. */
  report(): AuditReport {
    this.#endChain();
    this.#chain = null;
    return {
      chains: this.#chains,
      entries: this.#entries,
      checkpoints: this.#checkpoints,
      wallets: [...this.#wallets],
      missing: this.#missing,
      unsigned: this.#unsigned,
      problems: this.#problems,
    };
  }

  #begin(chain: string): void {
    this.#endChain();
    this.#chains += 1;
    this.#chain = chain;
    this.#last = { sequence: 0, hash: HASH_BEFORE_FIRST };
    this.#signedUpTo = 0;
    this.#ownSignatures = [];
    this.#hashes = new Map();
    this.#gaps = [];
    this.#said = [];
    this.#droppedUpTo = 0;
  }

  #takeGap({ chain, from, to, hash }: LineOf<'gap'>): void {
    if (chain !== this.#chain) this.#begin(chain);
    if (from !== this.#last.sequence + 1 || to < from) this.#object(`a gap from ${from} to ${to} does not follow entry ${this.#last.sequence}`);
    this.#gaps.push({ from, to, line: this.#line });
    this.#missing += Math.max(0, to - from + 1);
    this.#advance({ sequence: to, hash });
  }

  #takeChained(line: ChainedLine): void {
    const { hash, ...entry } = line;
    const { seq: sequence } = entry;
    this.#entries += 1;
    if (this.#chain === null) this.#object('the audit log does not begin with a start or a gap');
    const expected = this.#last.sequence + 1;
    if (sequence !== expected) this.#object(`found entry ${sequence}, expected entry ${expected}`);
    else if (nextHash(this.#last.hash, canonicalJson(entry)) !== hash) this.#object(`the hash of entry ${sequence} does not follow from the entries before it`);
    this.#advance({ sequence, hash });
    if (line.op === 'dropped') this.#said.push(line);
    if (line.op === 'checkpoint') this.#takeCheckpoint(line);
  }

  #takeCheckpoint(checkpoint: LineOf<'checkpoint'>): void {
    const { seq, of, of_hash: hash, wallet } = checkpoint;
    this.#checkpoints += 1;
    this.#wallets.add(wallet);
    const problem = this.#problemOf(checkpoint);
    if (problem !== null) this.#object(`the checkpoint of entry ${of} ${problem}`);
    // An entry in a gap has no known hash to compare with, so its checkpoint covers nothing.
    if (problem !== null || this.#hashes.get(of) !== hash) return;
    this.#signedUpTo = Math.max(this.#signedUpTo, of);
    this.#ownSignatures = [...this.#ownSignatures.filter((sequence) => sequence > this.#signedUpTo), seq];
    for (const { seq: said, up_to: upTo } of this.#said) if (said <= of) this.#droppedUpTo = Math.max(this.#droppedUpTo, upTo);
    this.#said = this.#said.filter(({ seq: said }) => said > of);
    for (const sequence of this.#hashes.keys()) if (sequence < of) this.#hashes.delete(sequence);
  }

  #problemOf({ of, of_hash: hash, wallet, signature }: LineOf<'checkpoint'>): string | null {
    const signer = wallet as Wallet;
    if (recoverEip191(auditMessage(of, hash, signer), signature) !== signer) return `is not signed by ${wallet}`;
    if (this.#trusted?.has(signer) === false) return `is signed by ${wallet}, which is not one of the given wallets`;
    const known = this.#hashes.get(of);
    const isInGap = known === undefined && this.#gaps.some(({ from, to }) => from <= of && of <= to);
    return known === hash || isInGap ? null : 'has a different hash from the entry';
  }

  #advance(point: ChainPoint): void {
    this.#last = point;
    this.#hashes.set(point.sequence, point.hash);
    if (this.#hashes.size > REMEMBERED_HASHES) this.#hashes.delete(this.#hashes.keys().next().value!);
  }

  /** Gaps are judged at the end of a chain, because the `dropped` entry and the checkpoint that cover a gap come after it. */
  #endChain(): void {
    if (this.#chain === null) return;
    for (const { from, to, line } of this.#gaps) {
      if (to <= this.#droppedUpTo) continue;
      const claimed = this.#said.some(({ up_to: upTo }) => to <= upTo) ? 'no checkpoint covers the entry that reports it' : 'no entry reports it';
      this.#object(`entries ${from} to ${to} are shown as dropped, but ${claimed}`, line);
    }
    this.#unsigned += this.#last.sequence - this.#signedUpTo - this.#ownSignatures.length;
  }

  #object(what: string, line = this.#line): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ line, what });
  }
}
