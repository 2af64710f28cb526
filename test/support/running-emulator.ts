/** The enclave API's emulator on a real socket, with keys of its own. */
import { EmulatedEnclave } from '../../src/enclave/emulator/emulated-enclave.ts';
import { EmulatorServer } from '../../src/enclave/emulator/server.ts';
import { ManualClock } from './manual-clock.ts';
import { SeededRandom } from './seeded-random.ts';

export async function runningEmulator(seed = 'enclave', allowFaults = false) {
  const clock = new ManualClock();
  const enclave = new EmulatedEnclave({ info: 'enclaver-ecdh-aes256gcm-v1' }, { clock, random: new SeededRandom(seed) });
  const server = new EmulatorServer({ host: '127.0.0.1', port: 0, allowFaults }, { enclave });
  const url = await server.listen();
  const request = async (method: 'GET' | 'POST', path: string, body?: unknown) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await fetch(url + path, { method, ...(body === undefined ? {} : { body: text }) });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  return { url, enclave, request, close: () => server.close() };
}

export type RunningEmulator = Awaited<ReturnType<typeof runningEmulator>>;
