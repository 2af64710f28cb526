/** The last look, at the end of a field run, reports the keys that are lost or unchecked. It must end within its time limit. */
import { describe, expect, test } from '@jest/globals';
import { Ledger } from '../../../bench/field/ledger.ts';
import { LastLook, NotAnswered, PASSES, type LookedAtNode } from '../../../bench/field/last-look.ts';

const LIMIT_MS = 300_000;
const READ_MS = 1_000;

type Read = (key: string, nth: number) => string | null;

interface Scene {
  /** What each node answers to the nth read of a key. The first read has number 1. */
  readonly nodes: readonly { readonly read: Read; readonly roots?: readonly (string | null)[] }[];
  readonly keys?: readonly string[];
}

const refuse = (what: string, retryAfterMs = 0): never => {
  throw new NotAnswered(what, retryAfterMs);
};

/** An app that has written each key once. */
function sceneOf({ nodes, keys = ['k'] }: Scene) {
  const ledger = new Ledger('app');
  const texts = new Map(keys.map((key) => {
    const version = ledger.begin(key, false);
    ledger.acknowledge(key, version, { atMs: 0, by: 'https://a.test', byOthers: true });
    return [key, ledger.textOf(key, version)] as const;
  }));
  let nowMs = 1_000;
  let most = 0;
  /** Number of reads, by key and node. */
  const reads = new Map<string, number>();
  const looked = nodes.map(({ read, roots = [null] }, place): LookedAtNode => {
    const name = `node-${place + 1}`;
    let rootsRead = 0;
    let underWay = 0;
    return {
      name,
      root: async () => roots[Math.min(rootsRead++, roots.length - 1)]!,
      read: async (_, key) => {
        underWay += 1;
        most = Math.max(most, underWay);
        const nth = (reads.get(`${key} on ${name}`) ?? 0) + 1;
        reads.set(`${key} on ${name}`, nth);
        await Promise.resolve();
        nowMs += READ_MS;
        underWay -= 1;
        const given = read(key, nth);
        return given === 'as written' ? texts.get(key)! : given;
      },
    };
  });
  const options = { limitMs: LIMIT_MS, readers: 4, deathWindowMs: 100 };
  const look = new LastLook(options, {
    nodes: looked,
    apps: [{ name: 'app', ledger }],
    nowMs: () => nowMs,
    wait: async (ms) => {
      nowMs += ms;
    },
    say: () => undefined,
  });
  return { look, reads, most: () => most, tookMs: () => nowMs - 1_000 };
}

const written: Read = () => 'as written';

describe('a key', () => {
  test.each<[string, Read, object]>([
    ['is right if the node returns it as it was written', written, { read: 1, lost: [], unchecked: new Map() }],
    ['is right if the node returns it only after some attempts', (_, nth) => (nth < 3 ? null : 'as written'), { lost: [] }],
    ['is lost if the node never returns it', () => null, { lost: ['app: k (absent) on node-1'] }],
    ['is foreign if the node returns a value that was never written', () => 'else', { foreign: ['app: k (foreign) on node-1'], lost: [] }],
    ['is right if the node refuses with 503 only at first', (_, nth) => (nth < 3 ? refuse('unready 503', 2_000) : 'as written'), { lost: [], unchecked: new Map() }],
    ['counts as unchecked, not as lost, if the node always refuses with 503', () => refuse('unready 503', 2_000), { read: 0, lost: [], unchecked: new Map([['unready 503', 1]]), nowhereChecked: 1 }],
    ['counts as unchecked if the node sends a Retry-After that extends beyond the end of the look', () => refuse('unready 503', LIMIT_MS), { unchecked: new Map([['unready 503', 1]]) }],
  ])('%s', async (_, read, expected) => {
    const { look, reads, tookMs } = sceneOf({ nodes: [{ read }] });
    await look.run();
    expect(look.result()).toMatchObject(expected);
    expect(reads.get('k on node-1')).toBeLessThanOrEqual(PASSES);
    expect(tookMs()).toBeLessThanOrEqual(LIMIT_MS + READ_MS);
  });
});

test('if one node returns a key and the other refuses to answer, the key is unchecked only on the other node', async () => {
  const { look } = sceneOf({ nodes: [{ read: () => refuse('unready 503') }, { read: written }] });
  await look.run();
  expect(look.result()).toMatchObject({ due: 2, read: 1, nowhereChecked: 0, unchecked: new Map([['unready 503', 1]]) });
});

test('when the time limit is reached, the look ends and counts the keys that it has not read', async () => {
  const keys = Array.from({ length: 2 * (LIMIT_MS / READ_MS) }, (_, nth) => `k${nth}`);
  const { look } = sceneOf({ nodes: [{ read: written }], keys });
  await look.run();
  const { read, unchecked, lost } = look.result();
  expect({ sum: read + unchecked.get('not reached within the time limit')!, lost }).toEqual({ sum: keys.length, lost: [] });
  expect(read).toBeGreaterThan(0);
});

test('at most the given number of readers ask a node at the same time', async () => {
  const { look, most } = sceneOf({ nodes: [{ read: written }], keys: Array.from({ length: 50 }, (_, nth) => `k${nth}`) });
  await look.run();
  expect(most()).toBe(4);
});

describe('two nodes', () => {
  test.each<[string, readonly (string | null)[], readonly (string | null)[], object]>([
    ['with equal stores: only one is read', ['r'], ['r'], { read: 1, byEqualStore: 1 }],
    ['whose stores become equal: only one is read', ['q', 'r'], ['r'], { read: 1, byEqualStore: 1 }],
    ['with different stores: both are read', ['q'], ['r'], { read: 2, byEqualStore: 0 }],
    ['that report no digest: both are read', [null], [null], { read: 2, byEqualStore: 0 }],
    ['of which one changes while the other is read: both are read', ['r'], ['r', 'q'], { read: 2, byEqualStore: 0 }],
  ])('%s', async (_, first, second, expected) => {
    const { look } = sceneOf({ nodes: [{ read: written, roots: first }, { read: written, roots: second }] });
    await look.run();
    expect(look.result()).toMatchObject(expected);
  });
});

test('a result is available even before the look has started', async () => {
  const { look } = sceneOf({ nodes: [{ read: written }] });
  expect(look.result()).toMatchObject({ due: 1, read: 0, nowhereChecked: 1 });
});
