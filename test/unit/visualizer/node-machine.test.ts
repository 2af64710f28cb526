/** The machine of the node as a reader of the page sees it: descriptions in its chart, ticks as spans, dropped ticks, and shown values. */
import { describe, expect, test } from '@jest/globals';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { edgeIdsOf } from '../../../src/chart/edge-ids.ts';
import type { Hash32 } from '../../../src/domain/ids.ts';
import { REASONS } from '../../../src/domain/reasons.ts';
import { REASON_NOTES } from '../../../src/machines/reason-notes.ts';
import type { SecretLife } from '../../../src/machines/secret-life.ts';
import { createNodeShown } from '../../../src/machines/shown.ts';
import type { NodeSnapshot } from '../../../src/machines/status.ts';
import { recordActor } from '../../../src/visualizer/recorder.ts';
import type { NewEvent, Shown } from '../../../src/visualizer/wire.ts';
import { ControlledNode } from '../../machine/controlled-node.ts';

const OPTIONS = { nodeTickMs: 60_000, syncTickMs: 10_000, nudgeMs: 50, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: false };
const HASH = `0x${'11'.repeat(32)}` as Hash32;
const STORE = { secret: HASH, claimedHere: true };
const CONFIRMED: SecretLife = { stage: 'confirmed', secret: { hash: HASH, origin: { kind: 'made' } }, aside: [], shown: HASH, store: STORE };

function watch() {
  const node = new ControlledNode(OPTIONS);
  const chart = chartOf(node.machine);
  const events: NewEvent[] = [];
  const clock = { nowMs: () => 1_000, monotonicMs: () => 0 };
  const shownOf = createNodeShown(OPTIONS, { clock, secret: { life: CONFIRMED, isServable: () => true } });
  recordActor(
    node.actor,
    { source: 'node' },
    {
      nowMs: () => 1_000,
      sink: { addChart: () => undefined, add: (event) => void events.push(event) },
      chart,
      edgeIds: edgeIdsOf(node.machine),
      shown: (snapshot) => shownOf(snapshot as NodeSnapshot),
    },
  );
  const lastShown = (): Shown => Object.assign({}, ...events.map((event) => ('shown' in event ? event.shown : {}))) as Shown;
  return { node, chart, events, lastShown };
}

async function becomeReady(node: ControlledNode): Promise<void> {
  await node.settle('readChain', { block: 7, blockMs: 0, members: 3, hash: { kind: 'confirmed', store: STORE } });
  await node.settle('checkEligibility', { eligible: true });
  await node.settle('installSyncKey', { stale: false });
}

describe('the chart of the node', () => {
  const { chart } = watch();

  test('marks the region of the headline and the region of the span', () => {
    expect(chart.states.filter(({ meta }) => meta['headline'] === true).map(({ id }) => id)).toEqual(['node.readiness']);
    expect(chart.states.filter(({ meta }) => meta['span'] !== undefined).map(({ id, meta }) => [id, meta['span'], meta['outcome']])).toEqual([
      ['node.nodeTick', 'node_tick', 'last tick'],
    ]);
  });

  test('marks the edge that drops a tick', () => {
    const [dropping, ...more] = chart.edges.filter(({ meta }) => meta['dropped'] !== undefined);
    expect(dropping).toMatchObject({ source: 'node.nodeTick', label: 'node_tick', targets: [], actions: ['countDropped'], meta: { dropped: 'node_tick' } });
    expect(more).toEqual([]);
  });

  test('describes every state of readiness and every step of a tick', () => {
    const silent = chart.states.filter(({ parent, description }) => (parent === 'node.readiness' || parent === 'node.nodeTick') && description === null);
    expect(silent.map(({ id }) => id)).toEqual([]);
  });
});

test('every reason has a note', () => {
  expect(Object.keys(REASON_NOTES).sort()).toEqual(Object.values(REASONS).sort());
});

test('a tick that is due while another tick is running takes the edge that drops a tick', async () => {
  const { node, chart, events, lastShown } = watch();
  node.actor.send({ type: 'node_tick' });
  const drops = chart.edges.find(({ meta }) => meta['dropped'] === 'node_tick')!.id;
  expect(events.at(-1)).toMatchObject({ kind: 'step', event: 'node_tick', edges: [drops] });
  expect(lastShown()['ticks dropped']).toBe(1);
});

test('a tick leads from idle through its steps back to idle, and makes the node ready', async () => {
  const { node, events, lastShown } = watch();
  await becomeReady(node);
  const places = events.flatMap((event) => (event.kind === 'state' || event.kind === 'step' ? (event.active ?? []) : []));
  const steps = places.filter((id) => id.startsWith('node.nodeTick.')).map((id) => id.slice('node.nodeTick.'.length));
  expect([...new Set(steps)]).toEqual(['readingChain', 'withdrawing', 'checkingEligibility', 'judgingHash', 'installingSyncKey', 'judgingStore', 'settling', 'idle']);
  expect(places.includes('node.readiness.ready')).toBe(true);
  expect(lastShown()).toMatchObject({
    reason: null,
    meaning: null,
    'chain hash': HASH,
    secret: 'confirmed',
    'secret confirmed': true,
    'first snapshot': 'complete',
    block: 7,
    members: 3,
    'last tick': 'ok',
    'ticks run': 1,
    'ticks dropped': 0,
    'next node_tick': { atMs: 61_000 },
    'next sync_tick': { atMs: 11_000 },
  });
});

test('a sync_tick that arrives before the node is ready is an event that no edge handles', () => {
  const { node, events } = watch();
  node.actor.send({ type: 'sync_tick' });
  expect(events.at(-1)).toMatchObject({ kind: 'step', event: 'sync_tick', edges: [] });
});

test('only listed values are shown', async () => {
  const { node, lastShown } = watch();
  await becomeReady(node);
  expect(Object.keys(lastShown())).toEqual([
    'reason',
    'meaning',
    'since',
    'chain hash',
    'secret',
    'secret confirmed',
    'sync key',
    'first snapshot',
    'block',
    'members',
    'last tick',
    'last tick ms',
    'last tick started',
    'ticks run',
    'ticks dropped',
    'node_tick seconds',
    'early ticks in a row',
    'sync_ticks run',
    'next node_tick',
    'next sync_tick',
  ]);
});
