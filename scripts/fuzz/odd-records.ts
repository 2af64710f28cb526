/**
 * A peer sends records with odd clock keys, keys and apps. Everything that the node sends afterwards must be JSON that strict parsers
 * accept. A second node must accept each record that the first node sends, and must then hold the same records.
 */
import fc from 'fast-check';
import type { AppId } from '../../src/domain/ids.ts';
import { parseStrictJson } from '../../src/enclave/emulator/strict-json.ts';
import type { RecordStore } from '../../src/store/record-store.ts';
import { nodeParts, type NodeOverHttp } from '../../test/support/node-over-http.ts';
import { askAsPeer, checkNode, startNodeUnderTest } from './node-under-test.ts';
import { target } from './target.ts';

const APP = '100';
const NOW_MS = 1_790_000_000_000;
/** Maximum number of pages of a snapshot. A snapshot in this test has fewer records than that, so a larger number of pages is a fault. */
const MAX_PAGES = 20;

/**
 * Texts that often cause errors in parsers, in sorting or as names of properties, and texts whose length is near the limit for clock keys
 * (128 bytes) or for keys (1,024 bytes).
 */
const oddText = fc.oneof(
  fc.constantFrom('', 'k', 'K', '"', '\\', "'", '\u0000', '\u2028', '\ud800', '\udc00', 'a\ud83d', '\ude00', '\ud83d\ude00', '\ufeff', '\u00e9', 'e\u0301', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', '-0', '1e3', '00', 'a/1'),
  fc.tuple(fc.constantFrom('x', '\u00e9', '\u20ac', '\ud83d\ude00', '"', '\ud800'), fc.constantFrom(1, 32, 33, 42, 43, 63, 64, 65, 127, 128, 129, 1_024, 1_025, 4_096)).map(([unit, count]) => unit.repeat(count)),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const count = fc.constantFrom(0, 1, 5, NOW_MS, NOW_MS + 20_000, NOW_MS + 2 ** 21, 2 ** 52, 2 ** 52 + 1, 2 ** 53, -1, 0.5);
// JSON text instead of an object, because an object literal would lose the key `__proto__`.
const clock = fc
  .array(fc.tuple(oddText, fc.oneof({ weight: 6, arbitrary: fc.constantFrom(1, 2, 5) }, count)), { maxLength: 4 })
  .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`);

const record = fc.record({
  app: fc.oneof({ weight: 8, arbitrary: fc.constant(APP) }, oddText),
  key: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('k', 'other') }, oddText),
  clock,
  isTombstone: fc.boolean(),
  updatedAtMs: fc.constantFrom(NOW_MS, NOW_MS - 5, NOW_MS + 15_000, NOW_MS + 15_001),
});

const cases = fc.record({
  deltas: fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
  pageBytes: fc.constantFrom(4_096, 16_384, 262_144),
});

type Odd = typeof record extends fc.Arbitrary<infer T> ? T : never;

interface Page {
  readonly data: Readonly<Record<string, readonly unknown[]>>;
  readonly next_cursor?: string;
}

/** @throws Error when the text is not JSON that strict parsers accept */
function parse(text: string): unknown {
  try {
    return parseStrictJson(Buffer.from(text));
  } catch (error) {
    throw new Error(`the node sent JSON that strict parsers refuse: ${text.slice(0, 300)}`, { cause: error });
  }
}

/** What a store holds for the app, in a form in which the order of records and clock entries does not matter. */
function contentsOf(store: RecordStore): string {
  const lines = [...store.walk({ app: APP })].map(({ record: { version, ...rest } }) => JSON.stringify([rest, Object.entries(version).sort(([a], [b]) => (a < b ? -1 : 1))]));
  return lines.sort().join('\n');
}

/** The JSON text of a delta. Each clock stays exactly as it was generated. */
function deltaOf(records: readonly Odd[], stored: string): string {
  const byApp = new Map<string, Odd[]>();
  for (const each of records) byApp.set(each.app, [...(byApp.get(each.app) ?? []), each]);
  const wire = ({ key, clock: version, isTombstone, updatedAtMs }: Odd): string =>
    `{"key":${JSON.stringify(key)},"value":${isTombstone ? 'null' : `"${stored}"`},"version":${version},"updated_at_ms":${updatedAtMs},"tombstone":${isTombstone},"ttl_ms":0}`;
  return `{"type":"delta","data":{${[...byApp].map(([app, each]) => `${JSON.stringify(app)}:[${each.map(wire).join(',')}]`).join(',')}}}`;
}

/** Fetches the records of the app page by page, and merges them into the other store. */
async function copy(node: NodeOverHttp, other: RecordStore, pageBytes: number): Promise<void> {
  for (let cursor: string | undefined, asked = 0; ; asked += 1) {
    if (asked > MAX_PAGES) throw new Error('the snapshot does not end');
    const page = parse(await askAsPeer(node, JSON.stringify({ type: 'snapshot_request', app: APP, max_bytes: pageBytes, cursor }))) as Page;
    for (const wire of page.data[APP] ?? []) {
      const verdict = other.merge(APP, wire, NOW_MS);
      if (verdict.kind === 'rejected') throw new Error(`another node refuses a record (${verdict.why}): ${JSON.stringify(wire).slice(0, 300)}`);
    }
    if (page.next_cursor === undefined) return;
    cursor = page.next_cursor;
  }
}

export const oddRecords = target({
  name: 'odd-records',
  cases,
  batch: 100,
  async start() {
    const node = await startNodeUnderTest();
    const stored = Buffer.from(node.vault.sealValue(Number(APP) as AppId, Buffer.from('value'))).toString('hex');
    const { store: other } = nodeParts();
    return {
      async check({ deltas, pageBytes }) {
        for (const store of [node.store, other]) store.reset();
        for (const delta of deltas) parse(await askAsPeer(node, deltaOf(delta, stored)));
        await copy(node, other, pageBytes);
        if (contentsOf(other) !== contentsOf(node.store)) throw new Error(`another node holds different records:\n${contentsOf(other)}\ninstead of\n${contentsOf(node.store)}`);
        checkNode(node);
      },
      close: () => node.close(),
    };
  },
});
