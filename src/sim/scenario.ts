/**
 * The form of a scenario: everything that happens in a simulation, as plain data without functions. So a scenario can be generated from a
 * seed, written to a file, shortened and replayed.
 */
import { z } from 'zod';
import { LIE_KINDS } from './faults/lie-kinds.ts';
import { HOLDING_KIND } from './faults/holding-kind.ts';
import { FLOOD_KINDS } from './faults/stranger.ts';
import { BACKEND_FAULTS } from './world/rpc-behaviour.ts';

export const FAULT_KINDS = [
  'loss',
  'delay',
  'duplicate',
  'reorder',
  'cut half-way',
  'partition',
  'one-way partition',
  'crash',
  'restart',
  'freeze',
  'slow node',
  'clock skew',
  'clock jump',
  'clock drift',
  'chain down',
  'chain lagging',
  'chain old block',
  'chain failing',
  'chain reverting',
  'chain slow',
  'chain head stands still',
  'another chain',
  'block times off',
  ...BACKEND_FAULTS,
  'reorganisation',
  'claim lost',
  'claim stuck',
  'claim answer lost',
  'claim forgotten',
  'claim underpriced',
  'absurd tip',
  'enclave slow',
  'enclave failing',
  'enclave garbage',
  'enclave closing',
  'instance stopped',
  'version revoked',
  'version deprecated',
  'wrong key registered',
  'node joins',
  'older node joins',
  'node leaves',
  'URL moves',
  'hash reset',
  ...FLOOD_KINDS,
  HOLDING_KIND,
  ...LIE_KINDS,
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** A fault, with its start and duration. */
const fault = z.object({
  atMs: z.number().min(0),
  do: z.literal('fault'),
  kind: z.enum(FAULT_KINDS),
  /** The instance that the fault affects; all instances if empty. */
  node: z.string().default(''),
  /** The other side of a partition; all other nodes if empty. */
  other: z.string().default(''),
  forMs: z.number().min(0),
  /** How strong the fault is. The unit depends on its kind: a share, milliseconds, blocks and so on. */
  amount: z.number(),
});

/** A request from an app to one node. */
const request = z.object({
  atMs: z.number().min(0),
  do: z.enum(['put', 'delete', 'get', 'list', 'derive']),
  node: z.string(),
  app: z.number().int().min(0),
  key: z.string(),
  /** Length of a value that is generated from the seed; unused when `value` is set. */
  bytes: z.number().int().min(0).default(0),
  value: z.string().optional(),
  ttlMs: z.number().int().min(0).default(0),
  acks: z.number().int().min(0).default(0),
});

export const step = z.discriminatedUnion('do', [fault, request]);
export type Step = z.infer<typeof step>;
export type FaultStep = z.infer<typeof fault>;
export type RequestStep = z.infer<typeof request>;

export const scenario = z.object({
  seed: z.string(),
  nodes: z.number().int().min(1).max(32),
  apps: z.number().int().min(1).max(100),
  /** The time after which the faults stop. Simulated milliseconds. */
  durationMs: z.number().min(0),
  /** Environment variables besides the defaults; `b.NAME` applies only to node b. */
  settings: z.record(z.string(), z.string()).default({}),
  steps: z.array(step),
});

export type Scenario = z.infer<typeof scenario>;

/** The name of a node, from its place in the order of registration: `a`, `b`, .. */
export function nodeName(place: number): string {
  return place < 26 ? String.fromCharCode(97 + place) : `n${place}`;
}
