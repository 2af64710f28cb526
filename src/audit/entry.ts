/**
 * The entries of an audit log and their hash chain (docs/audit.md). The hash of an entry is SHA-256 over the previous entry's hash, in hex,
 * and the entry as canonical JSON. For the first entry, 64 zeros replace the previous hash. So changing, removing or adding an entry
 * changes every later hash, and a signature over one hash covers all entries up to it.
 *
 * The chain also shows what the node has dropped: a `dropped` entry contains the number of the newest entry that the node no longer
 * keeps. In place of the dropped entries, a reader gets a gap, with the hash from which the chain continues.
 */
import { z } from 'zod';
import { sha256Hex } from '../crypto/hash.ts';
import type { AuditEvent } from '../domain/audit.ts';
import type { Wallet } from '../domain/ids.ts';

export const HASH_BEFORE_FIRST = '0'.repeat(64);

/** A point in the chain: the number of an entry and its hash, 64 hex digits. */
export interface ChainPoint {
  readonly sequence: number;
  readonly hash: string;
}

/** A point in the chain that an enclave wallet has signed (`auditMessage`). */
export interface Checkpoint extends ChainPoint {
  readonly wallet: Wallet;
  /** `0x` + 65 bytes of hex. */
  readonly signature: string;
}

/** A range of missing entries: the numbers of the first and the last missing entry. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

/** The fields of each entry are in ascending order of their names, so that `JSON.stringify` produces canonical JSON. */
/** @param target the target of the event, or its tag if it is a path or key */
export function eventText(sequence: number, atMs: number, event: AuditEvent, target: string | null): string {
  const { appId, operation, outcome, wallet } = event;
  return JSON.stringify({ app_id: appId, at_ms: atMs, op: operation, outcome, seq: sequence, target, wallet });
}

/** The first entry. @param chain the name of this chain: 32 random hex digits */
export function startText(atMs: number, chain: string): string {
  return JSON.stringify({ at_ms: atMs, chain, op: 'start', seq: 1 });
}

export function checkpointText(sequence: number, atMs: number, { sequence: of, hash, signature, wallet }: Checkpoint): string {
  return JSON.stringify({ at_ms: atMs, of, of_hash: hash, op: 'checkpoint', seq: sequence, signature, wallet });
}

/** @param upTo the number of the newest entry that is no longer kept */
export function droppedText(sequence: number, atMs: number, upTo: number): string {
  return JSON.stringify({ at_ms: atMs, op: 'dropped', seq: sequence, up_to: upTo });
}

/** What a reader gets in place of dropped entries. A gap is not part of the chain. @param hash the hash of the last dropped entry */
export function gapText(chain: string, { from, to }: SequenceRange, hash: string): string {
  return JSON.stringify({ chain, from, hash, op: 'gap', to });
}

export function nextHash(before: string, text: string): string {
  return sha256Hex(before + text);
}

/** An entry with its hash, as a reader gets it. */
export function withHash(text: string, hash: string): string {
  return `${text.slice(0, -1)},"hash":"${hash}"}`;
}

/** Maximum length of a string in an entry. The longest string that a node writes, a signature, has only 132 characters. */
const MAX_TEXT_CHARS = 256;

const text = z.string().max(MAX_TEXT_CHARS);
const sequence = z.number().int().min(1);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const wallet = z.string().regex(/^0x[0-9a-f]{40}$/);
const chainId = z.string().regex(/^[0-9a-f]{32}$/);
const chained = { at_ms: z.number().int(), hash, seq: sequence };

const start = z.strictObject({ ...chained, op: z.literal('start'), chain: chainId });
const event = z.strictObject({
  ...chained,
  op: z.enum(['stop', 'derive', 'put', 'delete', 'hand_over', 'snapshot', 'claim', 'install', 'set_aside']),
  app_id: z.number().int().nullable(),
  outcome: text,
  target: text.nullable(),
  wallet: wallet.nullable(),
});
const checkpoint = z.strictObject({ ...chained, op: z.literal('checkpoint'), of: sequence, of_hash: hash, signature: text, wallet });
const dropped = z.strictObject({ ...chained, op: z.literal('dropped'), up_to: sequence });
const gap = z.strictObject({ op: z.literal('gap'), chain: chainId, from: sequence, to: sequence, hash });

/** A line of an audit log as a reader gets it. A line with any other field, or with a text that is too long, is not valid. */
export const auditLine = z.discriminatedUnion('op', [start, event, checkpoint, dropped, gap]);
export type AuditLine = z.infer<typeof auditLine>;
export type ChainedLine = Exclude<AuditLine, { op: 'gap' }>;
