/** Tests how the page plays traces, steps through them and jumps to failures, and what it does when a live stream is cut off. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { createActor, createMachine } from 'xstate';
import { chartOf } from '../../src/chart/chart-of.ts';
import { edgeIdsOf } from '../../src/chart/edge-ids.ts';
import { FAULT_PROFILES } from '../../src/sim/faults/fault-profiles.ts';
import { makeScenario } from '../../src/sim/make-scenario.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { EventLog } from '../../src/visualizer/event-log.ts';
import { recordActor } from '../../src/visualizer/recorder.ts';
import { systemClock } from '../../src/system/system.ts';
import { forgetOneKey } from '../support/forgetting-node.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { launchBrowser, openPage, untilTexts, type OpenedPage } from './support/browser.ts';
import { Watched } from './support/watched.ts';

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'traces-'));
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Opens a page. The test fails if the page has reported problems by the end of the test. */
async function open(watched: Watched): Promise<OpenedPage> {
  const opened = await openPage(browser, watched.url);
  closers.push(async () => {
    await opened.close();
    await watched.stopServing();
    expect(opened.problems).toEqual([]);
  });
  return opened;
}

/** The recording of a crossing. Its power fails for a while, and a rule is broken. */
async function recorded(): Promise<Watched> {
  const watched = new Watched('replay');
  const crossing = watched.start('crossing-1');
  watched.shiftMs(2_000);
  crossing.send('car', 'press');
  watched.shiftMs(2_000);
  crossing.send('power.lost');
  watched.add({ kind: 'note', atMs: watched.nowMs(), source: 'crossing-1', level: 'failure', text: 'no one stands at the crossing' });
  watched.shiftMs(2_000);
  crossing.send('power.back');
  watched.shiftMs(2_000);
  crossing.send('car');
  await watched.serve();
  return watched;
}

const active = (state: string): string => `.drawing [data-state="crossing.${state}"].active`;

describe('a replay', () => {
  test('starts paused at its beginning, plays to its end, and steps in both directions', async () => {
    const watched = await recorded();
    const { page } = await open(watched);
    await page.waitForSelector(active('light.red'));
    expect(await page.textContent('.mode')).toBe('❚❚ replay');
    await page.selectOption('select[aria-label="Speed of the replay"]', '4');
    // From here on, the test controls the clock of the page. The recording of 8 s plays in 2 s.
    await page.clock.install();
    await page.clock.pauseAt(systemClock.nowMs() + 60_000);
    await page.keyboard.press('p');
    await page.clock.runFor(1_200);
    await page.waitForSelector(active('light.blinking'));
    expect(await page.textContent('.mode')).toBe('▶ replay');
    await page.clock.runFor(1_200);
    await page.waitForSelector('.mode:has-text("❚❚ replay")');
    expect(await page.textContent('.card dl')).toContain('cars2');
    await page.clock.resume();
    await page.keyboard.press(',');
    await page.waitForSelector('.card dd:text-is("1")');
    await page.keyboard.press('<');
    await page.waitForSelector(active('light.blinking'));
    await page.keyboard.press('.');
    await page.waitForSelector('.event.failure[aria-current]');
  });

  test('jumps to the moment of the failure', async () => {
    const watched = await recorded();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.red'));
    await page.click('text=✖ failure');
    await page.waitForSelector(active('light.blinking'));
    await page.waitForSelector('.event.failure[aria-current]:has-text("no one stands")');
    expect(await page.textContent('.card .reason')).toBe('the power is gone');
    await opened.screenshot('replay-failure-dark-1280x720');
  });
});

describe('a trace file', () => {
  test('from another program is opened and drawn without the server of that program', async () => {
    const machine = createMachine({ id: 'lamp', initial: 'off', states: { off: { on: { press: 'on' } }, on: { on: { press: 'off' } } } });
    const lines: string[] = [];
    let atMs = 0;
    const sink = new EventLog('lamp');
    sink.listen(() => undefined);
    sink.addChart(chartOf(machine), 0);
    const actor = createActor(machine);
    recordActor(actor, { source: 'lamp-1' }, { nowMs: () => (atMs += 1_000), sink, chart: chartOf(machine), edgeIds: edgeIdsOf(machine), shown: () => ({}) });
    actor.start();
    actor.send({ type: 'press' });
    sink.add({ kind: 'note', atMs: 9_000, source: null, level: 'failure', text: 'it burns' });
    const cursor = sink.cursor(null);
    for (let entries = sink.read(cursor, 1e6); entries !== null && entries.length > 0; entries = sink.read(cursor, 1e6)) {
      lines.push(...entries.map(({ line }) => line));
    }
    const file = join(folder, 'lamp.trace');
    writeFileSync(file, `${lines.join('\n')}\nno event\n`);
    const watched = new Watched();
    watched.start('crossing-1');
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.red'));
    // The page first asks its server for the drawing. The server does not have this chart and answers 404.
    opened.allow(/status of 404/);
    await page.setInputFiles('input[type=file]', file);
    await page.waitForSelector('.drawing [data-state="lamp.off"].active');
    expect(await page.title()).toBe('lamp.trace');
    expect(await page.textContent('.said')).toContain('Lines of lamp.trace that are not events and were ignored: 1.');
    await page.keyboard.press('x');
    await page.waitForSelector('.drawing [data-state="lamp.on"].active');
    expect(await page.textContent('.clock')).toContain('00:00:09.000');
    const dropped = await page.evaluateHandle("(() => { const data = new DataTransfer(); data.items.add(new File(['nothing'], 'empty.trace')); return data; })()");
    await page.dispatchEvent('main', 'drop', { dataTransfer: dropped });
    await page.waitForSelector('.said.bad:has-text("contains no events")');
  });
});

describe('the trace of a simulation that breaks a rule', () => {
  test('is opened, and a key shows the moment when the rule was broken and chooses the node that broke it', async () => {
    const lines: string[] = [];
    const scenario = makeScenario({ seed: '3', nodes: 4, apps: 2, durationMs: 120_000, faults: FAULT_PROFILES.light, requestsPerSecond: 1 });
    const { violation } = await simulate(scenario, { onStart: forgetOneKey, onEvent: (line) => void lines.push(line) });
    expect(violation).not.toBeNull();
    const file = join(folder, 'seed-3.jsonl');
    writeFileSync(file, lines.map((line) => `${line.trimEnd()}\n`).join(''));
    const watched = new Watched();
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    opened.allow(/status of 404/);
    await page.setInputFiles('input[type=file]', file);
    await page.waitForSelector('.drawing');
    await page.keyboard.press('x');
    await page.waitForSelector('.event.failure[aria-current]');
    expect(await page.textContent('.event.failure .detail')).toContain(violation!.invariant);
    await page.waitForSelector(`.card.chosen[data-source="${violation!.node}"]`);
    await page.waitForSelector('.drawing .state.active');
    await opened.screenshot('simulation-failure-dark-1280x720');
  });
});

test('when a file is opened, lines that are not events are ignored, and nothing from the previous source is shown any more', async () => {
  const watched = new Watched();
  watched.start('crossing-1').send('car', 'press');
  await watched.serve();
  const opened = await open(watched);
  const { page } = opened;
  await page.waitForSelector(active('light.red'));
  opened.allow(/status of 404/);
  const lamp = chartOf(createMachine({ id: 'lamp', initial: 'off', states: { off: { on: { toggle: 'on' } }, on: {} } }));
  const lines = [
    { n: 1, atMs: 0, kind: 'chart', chart: { ...lamp, states: lamp.states.map((state) => ({ ...state, parent: state.id })) } },
    { n: 2, atMs: 0, kind: 'chart', chart: lamp },
    { n: 3, atMs: 1e300, kind: 'note', source: null, level: 'info', text: 'never' },
    { n: 4, atMs: 1, kind: 'shown', source: 'lamp-1', shown: { peers: { rows: null } } },
    { n: 5, atMs: 1_000, kind: 'state', source: 'lamp-1', chart: lamp.id, active: ['lamp', 'lamp.off'], shown: {}, fresh: true },
    { n: 6, atMs: 2_000, kind: 'step', source: 'lamp-1', event: 'toggle', edges: [lamp.edges[0]!.id], active: ['lamp', 'lamp.on'] },
  ];
  const file = join(folder, 'odd.jsonl');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await page.setInputFiles('input[type=file]', file);
  await page.waitForSelector('.drawing [data-state="lamp.off"].active');
  expect(await page.textContent('.said')).toContain('Lines of odd.jsonl that are not events and were ignored: 3.');
  await page.keyboard.press('End');
  await page.waitForSelector('.drawing [data-state="lamp.on"].active');
  await untilTexts(page, '.event .what', ['toggle', 'starts', 'machine lamp']);
  await untilTexts(page, 'select[aria-label="Type of event"] option', ['all types', 'toggle']);
  await untilTexts(page, 'select[aria-label="Source"] option', ['all sources', 'lamp-1']);
});

test('when a folder or an unreadable file is dropped on the page, the page reports this and continues to show the earlier source', async () => {
  const watched = await recorded();
  const { page } = await open(watched);
  await page.waitForSelector(active('light.red'));
  const folderLike = "{ name: 'folder', size: 4096, text: async () => { throw new Error('it is a folder'); } }";
  await page.evaluate(`document.dispatchEvent(Object.assign(new Event('drop', { cancelable: true }), { dataTransfer: { files: [${folderLike}] } }))`);
  await page.waitForSelector('.said:has-text("folder cannot be read.")');
  await page.waitForSelector(active('light.red'));
});

describe('a live stream', () => {
  test('from a new process at the same address replaces the old stream, and the new process accepts commands', async () => {
    const watched = new Watched();
    watched.start('crossing-1').send('power.lost');
    watched.start('crossing-2');
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.blinking'));
    await page.keyboard.press('p');
    await page.waitForSelector('.mode:has-text("paused")');
    opened.allow(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
    const port = await watched.stopServing();
    const other = new Watched('live', 'another');
    other.start('crossing-1');
    await other.serve(port);
    closers.unshift(() => other.stopServing());
    await page.waitForSelector('.mode:has-text("● live")');
    await page.waitForSelector(active('light.red'));
    await untilTexts(page, '.card .name', ['crossing-1']);
    await untilTexts(page, '.count', ['2 of 2 kept events']);
    await page.keyboard.press('c');
    await page.click('[data-command=wave]');
    await page.waitForSelector('.said:has-text("Done")');
    expect(other.commands).toHaveLength(1);
  });

  test('is drawn as soon as a new process answers, even if the old process ended before it sent the drawing', async () => {
    const watched = new Watched();
    watched.start('crossing-1');
    await watched.serve();
    const opened = await openPage(browser, 'about:blank');
    closers.push(async () => opened.close());
    const { page } = opened;
    for (const path of ['**/layouts/*', '**/elk.js']) await page.route(path, (route) => route.abort());
    await page.goto(watched.url);
    await page.waitForSelector('.words:has-text("The machine cannot be drawn")');
    await page.unrouteAll();
    const port = await watched.stopServing();
    const other = new Watched('live', 'another');
    other.start('crossing-1').send('power.lost');
    await other.serve(port);
    closers.push(() => other.stopServing());
    await page.waitForSelector(active('light.blinking'));
  });

  test('becomes a replay when a process that shows a trace answers at the same address', async () => {
    const watched = new Watched();
    watched.start('crossing-1').send('power.lost');
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.blinking'));
    opened.allow(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
    const port = await watched.stopServing();
    const trace = new Watched('replay', 'trace');
    trace.start('crossing-2');
    await trace.serve(port);
    closers.unshift(() => trace.stopServing());
    await untilTexts(page, '.card .name', ['crossing-2']);
    await untilTexts(page, '.mode', ['❚❚ replay']);
    expect(await page.isHidden('.banner')).toBe(true);
  });

  test('is disconnected while the page is hidden, and catches up when the page is visible again', async () => {
    const watched = new Watched();
    const crossing = watched.start('crossing-1');
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.red'));
    // A headless browser never hides a page, so the test sets the visibility.
    const become = (visibility: 'hidden' | 'visible') =>
      page.evaluate(`Object.defineProperty(document, 'visibilityState', { value: '${visibility}', configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`);
    const untilReaders = (count: number) =>
      waitUntil({ what: `${count} readers`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () => (watched.readers === count ? null : `there are ${watched.readers}`));
    await untilReaders(1);
    await become('hidden');
    await untilReaders(0);
    crossing.send('power.lost');
    await become('visible');
    await page.waitForSelector(active('light.blinking'));
    await untilTexts(page, '.count', ['3 of 3 kept events']);
  });

  test('continues after the clock of its server has been set back', async () => {
    const watched = new Watched();
    const crossing = watched.start('crossing-1');
    watched.shiftMs(3_600_000);
    crossing.send('power.lost');
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.blinking'));
    watched.shiftMs(-3_600_000);
    crossing.send('power.back');
    await page.waitForSelector('.said:has-text("The clock was set back")');
    await page.waitForSelector(active('light.red'));
    await page.waitForSelector('.card .since:has-text("s")');
    expect(await page.textContent('.card .since')).not.toContain('min');
    await untilTexts(page, '.event .what', ['power.back']);
    await page.waitForSelector('.stay[data-state=red]', { state: 'attached' });
  });

  test('is shown as not connected when it is cut off, and continues without a reload when it is back', async () => {
    const watched = new Watched();
    const crossing = watched.start('crossing-1');
    await watched.serve();
    const opened = await open(watched);
    const { page } = opened;
    await page.waitForSelector(active('light.red'));
    opened.allow(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
    const port = await watched.stopServing();
    await page.waitForSelector('.banner:has-text("Not connected")');
    expect(await page.textContent('.mode')).toBe('○ not connected');
    await opened.screenshot('cut-off');
    crossing.send('power.lost');
    await watched.serve(port);
    await page.waitForSelector('.banner', { state: 'hidden' });
    await page.waitForSelector(active('light.blinking'));
    expect(await page.textContent('.mode')).toBe('● live');
    // No event arrived twice.
    expect(await page.textContent('.count')).toBe('3 of 3 kept events');
  });
});
