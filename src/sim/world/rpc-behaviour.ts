/**
 * The faults of one node's RPC endpoint. A fault affects the whole endpoint, or only some of its backends. A load balancer chooses a
 * backend for each request.
 */
import type { ClaimFate } from './sim-chain.ts';

/** Faults of one backend. Half of all requests still reach a good backend. */
export const BACKEND_FAULTS = [
  'backend dead',
  'backend hanging',
  'backend lagging',
  'backend of web pages',
  'backend busy',
  'backend empty',
  'backend null',
  'backend reverting',
  'backend pruned',
  'backend without code',
] as const;

export type BackendFaultKind = (typeof BACKEND_FAULTS)[number];

export interface BackendFault {
  readonly kind: BackendFaultKind;
  /** For a lagging backend, how many blocks it is behind. For a busy backend, the value of its `Retry-After`, in seconds. */
  readonly amount: number;
}

/** The current behaviour of an endpoint. */
export interface RpcBehaviour {
  down: boolean;
  /** How many blocks the endpoint is behind the true head. */
  lagBlocks: number;
  /** The number of the block that the endpoint always shows as the head; null if it shows the true head. */
  frozenHead: number | null;
  /** Share of answers with an older head. */
  oldBlockShare: number;
  /** Share of requests that fail. */
  failShare: number;
  /** Share of calls that are answered with a false revert. */
  revertShare: number;
  delayMs: number;
  /** Whether the endpoint belongs to a different chain. */
  isOtherChain: boolean;
  /** How far the block times are ahead of the true times. Seconds. */
  blockTimeOffset: number;
  claimFate: ClaimFate;
  /** The minimum tip that the pool accepts, as a multiple of the usual tip. */
  leastTip: number;
  /** The tip that the endpoint suggests, as a multiple of the usual tip. */
  tipFactor: number;
  /** The bad backends. If there are any, half of all requests go to them. */
  backends: readonly BackendFault[];
}

export const GOOD_RPC: RpcBehaviour = {
  down: false,
  lagBlocks: 0,
  frozenHead: null,
  oldBlockShare: 0,
  failShare: 0,
  revertShare: 0,
  delayMs: 0,
  isOtherChain: false,
  blockTimeOffset: 0,
  claimFate: 'taken',
  leastTip: 0,
  tipFactor: 1,
  backends: [],
};

/** Error messages that real transaction pools send when the fee of a transaction is too low. */
export const UNDERPRICED_WORDS: readonly string[] = [
  'replacement transaction underpriced',
  'transaction underpriced',
  'transaction underpriced: gas tip cap 1000000, minimum needed 4000000',
  'max fee per gas less than block base fee',
  'ReplacementNotAllowed',
  'INTERNAL_ERROR: could not replace existing tx',
  'gas price too low',
  'FeeTooLow, EffectivePriorityFeePerGas too low',
];
