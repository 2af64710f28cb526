/** Starts the floor server (`floor.ts`) as a separate process, with the enclave and the secret of a node. */
import { z } from 'zod';
import { CapturedOutput } from '../src/dev/captured-output.ts';
import { ManagedProcess } from '../src/dev/managed-process.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import type { TeePubkey, Wallet } from '../src/domain/ids.ts';

const START_TIMEOUT_MS = 60_000;
const announcement = z.object({ url: z.string() });

export interface FloorOptions {
  readonly node: ClusterNode;
  /** The secret in hex. */
  readonly secret: string;
  /** The only caller that the floor server knows. */
  readonly caller: { readonly wallet: Wallet; readonly teePubkey: TeePubkey; readonly appId: number };
  /** Keys that the floor server holds from the start. Default: none. */
  readonly keys?: { readonly count: number; readonly valueBytes: number };
}

export type Floor = Awaited<ReturnType<typeof startFloor>>;

export async function startFloor({ node, secret, caller, keys = { count: 0, valueBytes: 0 } }: FloorOptions) {
  const floor = new ManagedProcess({
    name: 'floor',
    arguments: ['bench/floor.ts'],
    environment: {
      FLOOR_ENCLAVE_URL: node.enclave.url,
      FLOOR_SECRET: secret,
      FLOOR_CALLER: caller.wallet,
      FLOOR_CALLER_KEY: caller.teePubkey,
      FLOOR_APP_ID: String(caller.appId),
      FLOOR_KEYS: String(keys.count),
      FLOOR_VALUE_BYTES: String(keys.valueBytes),
    },
    output: new CapturedOutput('floor', 50),
  });
  const { url } = announcement.parse(JSON.parse(await floor.firstLine(START_TIMEOUT_MS)));
  return { url, pid: floor.pid!, close: () => floor.kill() };
}
