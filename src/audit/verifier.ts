/**
 * Checks an audit as its reader has it, line by line, with nothing but the lines (docs/audit.md): the numbers go up by one, each hash
 * follows from the one before, each checkpoint is signed by the wallet that it names, and every gap is one that the node itself has
 * said in the chain. One file may hold several chains, one for each start of the node.
 *
 * What it cannot see: lines taken away at the end, and changes after the last checkpoint. It says how many entries that are.
 */
import { canonicalJson } from '../crypto/canonical-json.ts';
import { auditMessage } from '../crypto/messages.ts';
import { recoverEip191 } from '../crypto/signature.ts';
import type { Wallet } from '../domain/ids.ts';
import { auditLine, HASH_BEFORE_FIRST, nextHash, type AuditLine, type ChainedLine, type ChainPoint, type SequenceRange } from './entry.ts';

/** Hashes kept for the next checkpoint, which speaks of an entry some seconds back. */
const REMEMBERED_HASHES = 100_000;
/** Problems that are told; the first one is what matters. */
const MAX_PROBLEMS = 20;

export interface AuditProblem {
  /** Of the input, from 1. */
  readonly line: number;
  readonly what: string;
}

export interface AuditReport {
  readonly chains: number;
  readonly entries: number;
  readonly checkpoints: number;
  /** The wallets that signed them: whether they are the node's says the registry. */
  readonly wallets: readonly string[];
  /** Entries that the node dropped before they were read. */
  readonly missing: number;
  /** Entries after the last checkpoint of their chain; a checkpoint speaks for itself. */
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
  // Of the chain that is being read.
  #chain: string | null = null;
  #last: ChainPoint = { sequence: 0, hash: HASH_BEFORE_FIRST };
  #signedUpTo = 0;
  /** Good checkpoints after that entry. */
  #ownSignatures: number[] = [];
  #hashes = new Map<number, string>();
  #gaps: Gap[] = [];
  /** Entries that say up to where others were dropped, and that no checkpoint speaks for yet. */
  #said: LineOf<'dropped'>[] = [];
  /** Up to where entries were dropped, by a checkpoint. */
  #droppedUpTo = 0;

  /** @param trusted wallets that may sign; null: any, and the report names them */
  constructor(trusted: readonly Wallet[] | null = null) {
    this.#trusted = trusted === null ? null : new Set(trusted);
  }

  /** Where a reader goes on: the chain that was read last, null before the first, and its newest entry. */
  get position(): { readonly chain: string | null; readonly sequence: number } {
    return { chain: this.#chain, sequence: this.#last.sequence };
  }

  /** What was wrong first so far; gaps are judged by the report. */
  get first(): AuditProblem | null {
    return this.#problems[0] ?? null;
  }

  /** @param given what a line was parsed to */
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

  /** To be called when everything was taken. */
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
    if (this.#chain === null) this.#object('the audit does not begin with a start or a gap');
    const expected = this.#last.sequence + 1;
    if (sequence !== expected) this.#object(`entry ${sequence} stands where entry ${expected} should be`);
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
    // Of an entry in a gap there is no hash to compare.
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
    if (this.#trusted?.has(signer) === false) return `is signed by ${wallet}, which is none of the given wallets`;
    const known = this.#hashes.get(of);
    const isInGap = known === undefined && this.#gaps.some(({ from, to }) => from <= of && of <= to);
    return known === hash || isInGap ? null : "is of another hash than the entry's";
  }

  #advance(point: ChainPoint): void {
    this.#last = point;
    this.#hashes.set(point.sequence, point.hash);
    if (this.#hashes.size > REMEMBERED_HASHES) this.#hashes.delete(this.#hashes.keys().next().value!);
  }

  /** Gaps are judged last: the node says further on what it has dropped, and it counts once a checkpoint speaks for it. */
  #endChain(): void {
    if (this.#chain === null) return;
    for (const { from, to, line } of this.#gaps) {
      if (to <= this.#droppedUpTo) continue;
      const claimed = this.#said.some(({ up_to: upTo }) => to <= upTo) ? 'no checkpoint speaks yet for the entry that says so' : 'the node has not said so';
      this.#object(`entries ${from} to ${to} are shown as dropped, and ${claimed}`, line);
    }
    this.#unsigned += this.#last.sequence - this.#signedUpTo - this.#ownSignatures.length;
  }

  #object(what: string, line = this.#line): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ line, what });
  }
}
