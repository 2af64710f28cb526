/**
 * What may be wrong with the chain's RPC as one node sees it: with the endpoint as a whole, or with half of the backends that
 * a balancer chooses from for each request.
 */
import type { ClaimFate } from './sim-chain.ts';

/** What one bad backend does. Half of all requests reach a good one all the same. */
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
  /** Blocks that it is behind; seconds of its `Retry-After`. */
  readonly amount: number;
}

/** How an endpoint behaves now. */
export interface RpcBehaviour {
  down: boolean;
  /** Blocks that it is behind. */
  lagBlocks: number;
  /** The head that it shows for ever; null: the true one. */
  frozenHead: number | null;
  /** Share of answers from an older block still. */
  oldBlockShare: number;
  /** Share of requests that fail. */
  failShare: number;
  /** Share of calls that the contract seems to revert. */
  revertShare: number;
  delayMs: number;
  /** It belongs to another chain. */
  isOtherChain: boolean;
  /** How far the times of its blocks are ahead of the true ones. Seconds. */
  blockTimeOffset: number;
  claimFate: ClaimFate;
  /** What its pool asks for at least, as a multiple of the tip that is suggested. */
  leastTip: number;
  /** What it suggests as a tip, as a multiple of the usual one. */
  tipFactor: number;
  /** Bad ones among its backends; as many good ones are beside them. */
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

/** How pools in use say that a transaction offers too little. */
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
