/**
 * `npm run bench:page`: how long a reader waits until the visualiser's page shows the state machine of a node. It measures the time from
 * the request for the page to the first drawing, for the first reader and for later readers, and the time of a layout in a new worker. Then
 * it opens the page with many recorded events, and measures the time until the last event is shown, the memory, and the time until the page
 * is back at the first event.
 */
import type { Page } from 'playwright-core';
import { chartOf } from '../src/chart/chart-of.ts';
import { createNodeMachine } from '../src/machines/node-machine.ts';
import { systemClock } from '../src/system/system.ts';
import { EventLog } from '../src/visualizer/event-log.ts';
import { layoutOf } from '../src/visualizer/layout.ts';
import { loadPageFiles } from '../src/visualizer/page-files.ts';
import { serveVisualizer } from '../src/visualizer/server.ts';
import { launchBrowser, untilTrue, WIDE } from '../test/browser/support/browser.ts';
import { aimAt } from './aims.ts';

const SOURCES = ['node-1', 'node-2', 'node-3'];
const LATER_LOADS = 5;
const EVENTS = 19_000;
const EVENT_EVERY_MS = 20;
const AIM_MS = 1_000;

const machine = createNodeMachine(
  { nodeTickMs: 60_000, syncTickMs: 10_000, nudgeMs: 200, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: true },
  { clock: systemClock, random: { unit: () => 0 }, secret: { isServable: () => false } },
);
const chart = chartOf(machine);
const active = ['node', 'node.readiness', 'node.readiness.ready', 'node.nodeTick', 'node.nodeTick.idle', 'node.probing', 'node.probing.idle', 'node.beats'];

/** @param atMs when the chart and the sources start */
function newLog(name: string, atMs: number): EventLog {
  const log = new EventLog(name);
  log.addChart(chart, atMs);
  for (const source of SOURCES) {
    log.add({ kind: 'state', atMs, source, chart: chart.id, active, shown: { reason: null, members: 3 }, fresh: true });
  }
  return log;
}

async function serve(log: EventLog) {
  return serveVisualizer({ port: 0, title: 'bench', mode: 'live' }, { clock: systemClock, log, loadPage: loadPageFiles, layoutOf });
}

async function drawnMs(page: Page, url: string): Promise<number> {
  await page.goto(url);
  await untilTrue(page, "performance.getEntriesByName('chart-drawn').length > 0");
  return Math.round(await page.evaluate<number>("performance.getEntriesByName('chart-drawn')[0].startTime"));
}

const print = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(70)}${value}\n`);

const browser = await launchBrowser();
const closers: (() => Promise<unknown>)[] = [() => browser.close()];
try {
  const page = await browser.newPage({ viewport: WIDE });
  // The first navigation of a browser takes longer. The measurements must not include this extra time.
  await page.goto('about:blank');

  const server = await serve(newLog('bench', systemClock.nowMs()));
  closers.push(() => server.close());
  const firstMs = await drawnMs(page, server.url);
  print('time to the first drawing, first reader (bundle and layout included)', `${firstMs} ms`);
  aimAt(`the first drawing within ${AIM_MS} ms`, firstMs <= AIM_MS);
  const later: number[] = [];
  for (let load = 0; load < LATER_LOADS; load++) later.push(await drawnMs(page, server.url));
  print('time to the first drawing, a later reader', `${later.sort((a, b) => a - b)[Math.floor(LATER_LOADS / 2)]!} ms (median of ${LATER_LOADS})`);

  const layoutStartedMs = performance.now();
  await layoutOf({ ...chart, id: 'once more' });
  print('layout of the node in a new worker', `${Math.round(performance.now() - layoutStartedMs)} ms`);

  const fromMs = systemClock.nowMs() - EVENTS * EVENT_EVERY_MS;
  const full = newLog('full', fromMs);
  for (let index = 0; index < EVENTS; index++) {
    const settles = index % 2 === 1;
    const tick = settles ? 'node.nodeTick.idle' : 'node.nodeTick.readingChain';
    full.add({
      kind: 'step',
      atMs: fromMs + index * EVENT_EVERY_MS,
      source: SOURCES[index % SOURCES.length]!,
      event: 'node_tick',
      edges: [settles ? 'node.nodeTick.settling||0' : 'node.nodeTick.idle|node_tick|0'],
      active: active.map((id) => (id === 'node.nodeTick.idle' ? tick : id)),
      shown: { ticks: index },
    });
  }
  const fullServer = await serve(full);
  closers.push(() => fullServer.close());
  await page.goto(fullServer.url);
  const startedMs = performance.now();
  await untilTrue(page, `(document.querySelector('.count')?.textContent ?? '').includes('of ${EVENTS + SOURCES.length + 1}')`);
  print(`time until a page with ${EVENTS} events shows the last event`, `${Math.round(performance.now() - startedMs)} ms`);
  const inspector = await page.context().newCDPSession(page);
  await inspector.send('Performance.enable');
  await inspector.send('HeapProfiler.collectGarbage');
  const { metrics } = await inspector.send('Performance.getMetrics');
  const heapBytes = metrics.find(({ name }) => name === 'JSHeapUsedSize')!.value;
  print('memory of this page', `${Math.round(heapBytes / 1024 / 1024)} MiB`);
  const backStartedMs = performance.now();
  await page.keyboard.press('Home');
  await untilTrue(page, "document.querySelector('.mode').textContent.includes('newer')");
  print('time until the page is back at the first event', `${Math.round(performance.now() - backStartedMs)} ms`);
} finally {
  for (const close of closers.reverse()) await close();
}
