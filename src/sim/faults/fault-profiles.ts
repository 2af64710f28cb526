/**
 * Fault profiles: the rate, duration and amount of each fault. There are four levels, including `none`. A file may define a profile in the
 * same form.
 */
import { z } from 'zod';
import { HOLDING_KIND } from './holding-kind.ts';
import { LIE_KINDS } from './lie-kinds.ts';
import { FAULT_KINDS, type FaultKind } from '../scenario.ts';
import { BACKEND_FAULTS } from '../world/rpc-behaviour.ts';

const range = z.tuple([z.number().min(0), z.number().min(0)]);
const rate = z.object({
  /** Number of faults per hour in the whole cluster. */
  perHour: z.number().min(0),
  /** The shortest and the longest duration of a fault. Milliseconds. */
  forMs: range,
  /** The smallest and the largest amount, in the unit of this kind of fault. */
  amount: z.tuple([z.number(), z.number()]).default([0, 0]),
});

export const faultProfile = z.partialRecord(z.enum(FAULT_KINDS), rate);
export type FaultProfile = z.infer<typeof faultProfile>;
type Rate = z.infer<typeof rate>;

const SECOND = 1_000;

function rateOf(perHour: number, fromSeconds: number, toSeconds: number, amount: [number, number] = [0, 0]): Rate {
  return { perHour, forMs: [fromSeconds * SECOND, toSeconds * SECOND], amount };
}

const DEFAULT: FaultProfile = {
  loss: rateOf(4, 10, 60, [0.05, 0.3]),
  delay: rateOf(4, 10, 60, [0.05, 0.5]),
  duplicate: rateOf(4, 10, 60, [0.05, 0.3]),
  reorder: rateOf(4, 10, 60, [0.1, 0.8]),
  'cut half-way': rateOf(4, 10, 60, [0.05, 0.3]),
  partition: rateOf(3, 10, 120),
  'one-way partition': rateOf(3, 10, 120),
  crash: rateOf(4, 2, 60),
  restart: rateOf(4, 2, 30),
  freeze: rateOf(4, 5, 60),
  'slow node': rateOf(3, 20, 120, [20, 400]),
  'clock skew': rateOf(3, 60, 300, [-10_000, 10_000]),
  'clock drift': rateOf(3, 60, 120, [-150, 150]),
  'clock jump': rateOf(2.5, 5, 30, [-40_000, 40_000]),
  'chain down': rateOf(3, 5, 60),
  'chain lagging': rateOf(3, 20, 120, [1, 20]),
  'chain old block': rateOf(3, 20, 120, [0.05, 0.5]),
  'chain failing': rateOf(3, 20, 120, [0.1, 0.6]),
  'chain reverting': rateOf(3, 20, 120, [0.05, 0.5]),
  'chain slow': rateOf(3, 20, 120, [200, 3_000]),
  'chain head stands still': rateOf(3, 60, 300),
  'another chain': rateOf(3, 20, 120),
  'block times off': rateOf(3, 20, 120, [-900, 90]),
  ...Object.fromEntries(BACKEND_FAULTS.map((kind) => [kind, rateOf(3, 60, 300)])),
  'backend lagging': rateOf(3, 60, 300, [1, 200]),
  'backend busy': rateOf(3, 60, 300, [1, 3]),
  reorganisation: rateOf(12, 0, 0, [1, 5]),
  'claim lost': rateOf(2, 60, 120),
  'claim stuck': rateOf(2, 60, 120),
  'claim answer lost': rateOf(2, 60, 120),
  'claim forgotten': rateOf(2, 60, 120),
  'claim underpriced': rateOf(2, 60, 120, [2, 6]),
  'absurd tip': rateOf(2, 60, 120, [100_000, 10_000_000]),
  'enclave slow': rateOf(3, 20, 60, [20, 400]),
  'enclave failing': rateOf(3, 20, 60, [0.05, 0.4]),
  'enclave garbage': rateOf(3, 20, 60, [0.05, 0.3]),
  'enclave closing': rateOf(3, 20, 60, [0.1, 0.5]),
  'instance stopped': rateOf(2.5, 30, 120),
  'version revoked': rateOf(2.2, 30, 120),
  'version deprecated': rateOf(2.2, 30, 300),
  'wrong key registered': rateOf(2.5, 30, 120),
  'node joins': rateOf(2, 0, 0),
  'older node joins': rateOf(1.5, 0, 0),
  'node leaves': rateOf(2, 0, 0),
  'URL moves': rateOf(2.5, 0, 0),
  'hash reset': rateOf(2, 0, 0),
  ...Object.fromEntries(LIE_KINDS.map((kind) => [kind, rateOf(3.5, 15, 60)])),
  'flood of nonces': rateOf(2, 20, 60, [8, 20]),
  'flood without proof': rateOf(1, 20, 60, [30, 60]),
  [HOLDING_KIND]: rateOf(1, 40, 90, [2, 4]),
  'liar: revoked and asking': rateOf(2.5, 240, 400),
  // The next faults last long enough for a node to restart and for the other nodes to read its new key.
  'liar: wrong secret': rateOf(5, 60, 150),
  'liar: garbage seal': rateOf(5, 60, 150),
  'liar: poisoned snapshot': rateOf(4, 60, 150),
  'liar: empty snapshot': rateOf(4, 60, 150),
};

function scaled(profile: FaultProfile, factor: number, longer: number): FaultProfile {
  const entries = Object.entries(profile) as [FaultKind, Rate][];
  return Object.fromEntries(
    entries.map(([kind, { perHour, forMs, amount }]) => [kind, { perHour: perHour * factor, forMs: [forMs[0], forMs[1] * longer], amount }]),
  );
}

const LIGHT: FaultProfile = Object.fromEntries(
  Object.entries(scaled(DEFAULT, 0.4, 1)).filter(([kind]) => !(LIE_KINDS as readonly string[]).includes(kind) && kind !== 'hash reset'),
);

const BRUTAL: FaultProfile = {
  ...scaled(DEFAULT, 3, 1.5),
  // These lies take effect only when a peer sends a request, and a liar tells one kind of lie at a time. So they need a higher rate.
  'liar: wrong secret': rateOf(26, 60, 150),
  'liar: poisoned snapshot': rateOf(22, 60, 150),
  'liar: false acknowledgement': rateOf(36, 20, 90),
};

export const FAULT_PROFILES = { none: {}, light: LIGHT, default: DEFAULT, brutal: BRUTAL } as const satisfies Record<string, FaultProfile>;
export type FaultLevel = keyof typeof FAULT_PROFILES;
