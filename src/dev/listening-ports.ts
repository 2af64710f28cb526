/** Ports for the nodes: the ones asked for, or free ones. */
import { freePort, isPortFree } from './anvil.ts';

const LAST_PORT = 65_535;

/**
 * One port per node.
 * @param basePort of the first node, the others follow; 0: any that are free
 * @throws Error with one line that names a port in use
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
  throw new Error(`${which} in use: give another --base-port, or 0 for any that are free`);
}
