/**
 * An app that has a valid proof and floods one node through the platform's ingress. Each of its writes requires more acknowledgements than
 * there are nodes. So the write stays under way for the longest allowed time (protocol.md §10, Bounds: requests under way).
 */
import type { TeePubkey } from '../../domain/ids.ts';
import type { SimApp } from '../world/sim-app.ts';
import type { SimClock } from '../world/sim-clock.ts';
import type { SimNode } from '../world/sim-node.ts';
import { HOLDING_KIND } from './holding-kind.ts';

/** Number of keys that the app writes in turn. */
const KEYS = 8;

export interface HolderModules {
  readonly clock: SimClock;
  readonly app: SimApp;
  readonly onFault: (kind: string) => void;
}

/** @param perSecond number of writes, sent at an even rate @returns a function that stops new writes; writes under way continue */
export function holdRequests(node: SimNode, perSecond: number, { clock, app, onFault }: HolderModules): () => void {
  let sent = 0;
  let isOver = false;
  const next = (): void => {
    if (isOver) return;
    const teePubkey: TeePubkey | undefined = node.life?.enclave.teePubkey;
    if (teePubkey !== undefined) {
      onFault(HOLDING_KIND);
      void app.hold({ wallet: node.wallet, url: node.url, teePubkey }, `held ${sent % KEYS}`);
      sent += 1;
    }
    clock.setTimeout(next, 1_000 / perSecond);
  };
  next();
  return () => {
    isOver = true;
  };
}
