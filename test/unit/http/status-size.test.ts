/** `/status` never exceeds the size that peers accept (protocol.md §10, Where a node connects), regardless of the number of dropped entries. */
import { expect, test } from '@jest/globals';
import type { Wallet } from '../../../src/domain/ids.ts';
import { MAX_MEMBERS, SMALL_ANSWER_BYTES } from '../../../src/domain/limits.ts';
import { startNodeOverHttp } from '../../support/node-over-http.ts';

interface Cluster {
  readonly dropped: readonly { wallet: string; why: string }[];
  readonly dropped_count: number;
}

test('/status lists at most a hundred dropped entries, and reports how many were dropped in total', async () => {
  const node = await startNodeOverHttp();
  try {
    const dropped = Array.from({ length: MAX_MEMBERS }, (_, number) => ({
      wallet: `0x${number.toString(16).padStart(40, '0')}` as Wallet,
      why: 'instance is not zkVerified',
    }));
    node.peerCache.update({ block: 7n, members: [], dropped });
    const text = await (await fetch(`${node.url}/status`)).text();
    expect(Buffer.byteLength(text)).toBeLessThan(SMALL_ANSWER_BYTES);
    const { cluster } = JSON.parse(text) as { cluster: Cluster };
    expect(cluster.dropped).toEqual(dropped.slice(0, 100));
    expect(cluster.dropped_count).toBe(MAX_MEMBERS);
  } finally {
    await node.close();
  }
});
