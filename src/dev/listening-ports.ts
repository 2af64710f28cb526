/** Chooses the ports of the nodes: consecutive ports that begin with a given port, or any free ports. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const LAST_PORT = 65_535;
/**
 * Free ports are chosen from this range. Operating systems give outgoing connections ports from 32768 (Linux) or 49152 (elsewhere) upwards.
 * So no connection takes a port of this range before a process listens on it, or while that process restarts. Browsers block some ports,
 * but all blocked ports are below this range.
 */
const [FIRST_FREE, BEHIND_FREE] = [12_000, 32_000];

/** The next port to try. The start is random, so that processes rarely try the same ports. */
let next = randomInt(FIRST_FREE, BEHIND_FREE);

/** @returns a port of 127.0.0.1 that is free now; later calls try all other ports of the range first @throws Error when no port is free */
export async function freePort(): Promise<number> {
  for (let looks = FIRST_FREE; looks < BEHIND_FREE; looks++) {
    const port = next;
    next = port + 1 === BEHIND_FREE ? FIRST_FREE : port + 1;
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no port from ${FIRST_FREE} to ${BEHIND_FREE - 1} is free`);
}

async function isPortFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once('error', () => resolve(false));
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  return promise;
}

/**
 * @returns `count` ports of 127.0.0.1
 * @param basePort the first port; the others are the next ports; 0: any free ports
 * @throws Error with a one-line message, when a port is in use or above the highest port number
 */
export async function choosePorts(count: number, basePort: number): Promise<readonly number[]> {
  if (basePort === 0) {
    const free = new Set<number>();
    while (free.size < count) free.add(await freePort());
    return [...free];
  }
  const ports = Array.from({ length: count }, (_, index) => basePort + index);
  if (basePort + count - 1 > LAST_PORT) throw new Error(`${count} ports from ${basePort} go beyond ${LAST_PORT}: give a lower --base-port`);
  const free = await Promise.all(ports.map(isPortFree));
  const used = ports.filter((_, index) => free[index] === false);
  if (used.length === 0) return ports;
  const which = used.length === 1 ? `port ${used[0]!} is` : `ports ${used.join(', ')} are`;
  throw new Error(`${which} in use: give a different --base-port, or 0 for any free ports`);
}
