/**
 * Tables of the faults that can affect an instance's RPC endpoint, the transaction pools, or an instance's enclave API. Each row lists what
 * a fault changes.
 */
import type { FaultKind } from '../scenario.ts';
import type { BackendFaultKind, RpcBehaviour } from '../world/rpc-behaviour.ts';
import type { EnclaveBehaviour } from '../world/sim-enclave.ts';

type Changes<Behaviour> = Readonly<Partial<Record<FaultKind, (amount: number, head: number) => Partial<Behaviour>>>>;

/** Faults that affect the whole RPC endpoint of one instance. */
export const RPC_FAULTS: Changes<RpcBehaviour> = {
  'chain down': () => ({ down: true }),
  'chain lagging': (lagBlocks) => ({ lagBlocks }),
  'chain old block': (oldBlockShare) => ({ oldBlockShare }),
  'chain failing': (failShare) => ({ failShare }),
  'chain reverting': (revertShare) => ({ revertShare }),
  'chain slow': (delayMs) => ({ delayMs }),
  'chain head stands still': (_, head) => ({ frozenHead: head }),
  'another chain': () => ({ isOtherChain: true }),
  'block times off': (blockTimeOffset) => ({ blockTimeOffset }),
};

/** Faults of claims. They apply to the RPC endpoints of all instances. */
export const CLAIM_FAULTS: Readonly<Partial<Record<FaultKind, (amount: number) => Partial<RpcBehaviour>>>> = {
  'claim lost': () => ({ claimFate: 'lost' }),
  'claim stuck': () => ({ claimFate: 'stuck' }),
  'claim answer lost': () => ({ claimFate: 'answer lost' }),
  'claim forgotten': () => ({ claimFate: 'forgotten' }),
  'claim underpriced': (leastTip) => ({ leastTip }),
  'absurd tip': (tipFactor) => ({ tipFactor }),
};

export const ENCLAVE_FAULTS: Readonly<Partial<Record<FaultKind, (amount: number) => Partial<EnclaveBehaviour>>>> = {
  'enclave slow': (delayMs) => ({ delayMs }),
  'enclave failing': (failShare) => ({ failShare }),
  'enclave garbage': (garbageShare) => ({ garbageShare }),
  'enclave closing': (closeShare) => ({ closeShare }),
};

/** Whether a node must stay ready during a backend fault (protocol.md §6). False reverts are an exception, because a node believes them. */
export function keepsItsNodeWell(kind: BackendFaultKind): boolean {
  return kind !== 'backend reverting';
}
