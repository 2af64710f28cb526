/** The emulator of the enclave API on a real socket, with fresh keys. */
import { EmulatedEnclave, type EmulatedEnclaveOptions } from '../../src/enclave/emulator/emulated-enclave.ts';
import { EmulatorServer } from '../../src/enclave/emulator/server.ts';
import { parseJsonOrNull } from '../../src/crypto/json.ts';
import { ManualClock } from './manual-clock.ts';
import { SeededRandom } from './seeded-random.ts';

export interface EmulatorAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  /** The parsed body; null when it is not valid JSON. */
  readonly json: Record<string, unknown>;
}

export async function runningEmulator(seed = 'enclave', allowFaults = false, options: Partial<EmulatedEnclaveOptions> = {}) {
  const clock = new ManualClock();
  const enclave = new EmulatedEnclave({ info: 'capsule-ecdh-aes256gcm-v1', ...options }, { clock, random: new SeededRandom(seed) });
  const server = new EmulatorServer({ host: '127.0.0.1', port: 0, allowFaults }, { enclave });
  const url = await server.listen();
  /** Strings and bytes are sent unchanged, any other body as JSON. */
  const request = async (method: string, path: string, body?: unknown): Promise<EmulatorAnswer> => {
    const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const answer = await fetch(url + path, { method, ...(body === undefined ? {} : { body: sent as string }) });
    const text = await answer.text();
    return { status: answer.status, type: answer.headers.get('content-type'), text, json: parseJsonOrNull(text) as Record<string, unknown> };
  };
  return { url, enclave, request, close: () => server.close() };
}

export type RunningEmulator = Awaited<ReturnType<typeof runningEmulator>>;
