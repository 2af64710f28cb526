/**
 * Tests the page of the visualiser in a real browser: the drawing, the sources, the timeline, the events and the commands. The page shows a
 * machine that is not a node.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, openPage, PHONE, untilTexts, untilTrue, type OpenedPage } from './support/browser.ts';
import { Watched, type Crossing } from './support/watched.ts';

/** The smallest readable font size. Pixels. */
const READABLE_PX = 9;
const MAX_LOOKS = 100;

let browser: Browser;
let watched: Watched;
let crossing: Crossing;
let opened: OpenedPage;
let page: Page;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

beforeEach(async () => {
  watched = new Watched();
  crossing = watched.start('crossing-1');
  watched.start('crossing-2');
  await watched.serve();
  opened = await openPage(browser, watched.url);
  page = opened.page;
  await page.waitForSelector(state('light.red', 'active'));
});
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  const { problems } = opened;
  await opened.close();
  await watched.stopServing();
  expect(problems).toEqual([]);
});

function state(id: string, mark = ''): string {
  return `.drawing [data-state="crossing.${id}"]${mark === '' ? '' : `.${mark}`}`;
}
const arrow = (from: string, to: string): string => `.arrow[data-arrow="crossing.light.${from} -> crossing.light.${to}"]`;
const card = (name: string): string => `.card[data-source="${name}"]`;
/** The bounding box of an element that is often redrawn. During a redraw, the element has no box for a moment, so this function asks repeatedly. */
async function boxOf(selector: string): Promise<{ readonly x: number; readonly y: number; readonly width: number }> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const box = await page.locator(selector).first().boundingBox();
    if (box !== null) return box;
  }
  throw new Error(`${selector} has no bounding box`);
}
const text = async (selector: string): Promise<string> => (await page.textContent(selector)) ?? '';

describe('the machine of a source', () => {
  test('is shown live: active states and the edge taken last are highlighted, and edges that were never taken are pale', async () => {
    expect(await page.locator(arrow('red', 'green')).getAttribute('class')).toContain('never');
    crossing.clock.increment(20_000);
    await page.waitForSelector(state('light.green.steady', 'active'));
    expect(await page.locator(state('light.red')).getAttribute('class')).not.toContain('active');
    expect(await page.locator(arrow('red', 'green')).getAttribute('class')).toMatch(/(?=.*last)(?=.*just)(?!.*never)/);
    expect(await page.locator(arrow('yellow', 'red')).getAttribute('class')).toContain('never');
    expect(await text(`${card('crossing-1')} .headline`)).toBe('green');
    expect(await text(`${card('crossing-2')} .headline`)).toBe('red');
    crossing.send('car');
    await page.waitForSelector('[data-edge="crossing.light|car|0"].last:not(.never)');
    await page.waitForSelector(`${arrow('red', 'green')}:not(.last):not(.never)`, { state: 'attached' });
  });

  test('shows the state of every region in words, and at first draws only the region whose state is the headline', async () => {
    expect(await page.locator('.drawing').count()).toBe(1);
    expect(await page.locator('.drawing').getAttribute('data-region')).toBe('crossing.light');
    expect(await page.locator('.tab-state').allTextContents()).toEqual(['red', 'standing', 'idle', '', '']);
    await page.locator('.tab:has-text("all regions")').click();
    expect(await page.locator('.drawing').count()).toBe(3);
    await page.waitForSelector(state('walkers.standing', 'active'));
    await page.locator('.tab:has-text("whole")').click();
    expect(await page.locator('.drawing').getAttribute('data-region')).toBe('all');
    await page.locator('.tab:has-text("walkers")').click();
    await page.locator('.tab:has-text("light")').click({ modifiers: ['Shift'] });
    expect(await page.locator('.drawing').count()).toBe(2);
  });

  test('is described in words until its drawing has loaded', async () => {
    const held = Promise.withResolvers<undefined>();
    await page.route('**/layouts/**', async (route) => {
      await held.promise;
      await route.continue();
    });
    await page.reload();
    await page.waitForSelector('.words:has-text("The drawing is being prepared. Active: red · standing · idle")');
    held.resolve(undefined);
    await page.waitForSelector(state('light.red', 'active'));
    expect(await page.locator('.words').isVisible()).toBe(false);
  });

  test('has readable labels at 1280 × 720', async () => {
    const labels = page.locator('.drawing .edge-text');
    expect(await labels.count()).toBeGreaterThan(6);
    const scale = Number(await page.locator('.drawing').getAttribute('data-scale'));
    expect(scale * 11).toBeGreaterThanOrEqual(READABLE_PX);
    await opened.screenshot('machine-dark-1280x720');
  });

  test('shows details of the state or the edge under the pointer', async () => {
    await page.hover(state('light.red'));
    await page.waitForSelector('.details:has-text("Stop.")');
    expect(await text('.details')).toMatch(/red active.*reason cars wait.*meta lamp: top/);
    await page.hover('.label[data-arrow="crossing.light.yellow -> crossing.light.red"]');
    await page.waitForSelector('.details:has-text("after clearance (3 s)")');
    expect(await text('.details')).toMatch(/not taken yet.*yellow → red.*does go/);
  });

  test('zooms with the wheel, pans by dragging, and returns to the initial view with a key', async () => {
    const drawing = page.locator('.drawing');
    const transform = async (): Promise<string | null> => page.locator('.drawing > g').getAttribute('transform');
    const home = await drawing.getAttribute('data-scale');
    const before = await transform();
    const box = (await drawing.boundingBox())!;
    await page.mouse.move(box.x + 40, box.y + 40);
    await page.mouse.wheel(0, -300);
    await untilTrue(page, `document.querySelector('.drawing > g').getAttribute('transform') !== ${JSON.stringify(before)}`);
    const zoomed = await transform();
    await page.mouse.down();
    await page.mouse.move(box.x + 120, box.y + 90, { steps: 4 });
    await page.mouse.up();
    expect(await transform()).not.toBe(zoomed);
    await page.keyboard.press('f');
    expect(await drawing.getAttribute('data-scale')).toBe(home);
  });
});

describe('the sources', () => {
  test('are shown side by side, with their reason, age, values, countdowns and tables', async () => {
    const atMs = watched.nowMs();
    watched.add({
      kind: 'shown',
      atMs,
      source: 'crossing-2',
      shown: { 'next look': { atMs: atMs + 90_000 }, 'last look': { atMs: atMs - 5_000 }, roads: { rows: [{ road: 'north', cars: 3 }, { road: 'south', cars: null }] } },
    });
    await page.keyboard.press('v');
    await page.waitForSelector(`${card('crossing-2')} table`);
    const values = await text(`${card('crossing-2')} dl`);
    expect(values).toMatch(/waiting0.*cars0.*next lookin 1 min \d\d s.*last look\d s ago/);
    expect(await page.locator(`${card('crossing-2')} td`).allTextContents()).toEqual(['north', '3', 'south', '–']);
    expect(await text(`${card('crossing-2')} .reason`)).toBe('cars wait');
    // The countdown continues.
    const [countdown] = /in 1 min \d\d s/.exec(values)!;
    await page.waitForSelector(`${card('crossing-2')} dl:not(:has-text("${countdown}"))`);
  });

  test('are shown as ended as soon as they end', async () => {
    const atMs = watched.nowMs();
    watched.add({ kind: 'shown', atMs, source: 'crossing-2', shown: { 'next look': { atMs: atMs + 90_000 } } });
    watched.add({ kind: 'end', atMs, source: 'crossing-2', how: 'killed by SIGKILL' });
    await page.waitForSelector(`${card('crossing-2')}.ended`);
    // The source has ended, so its countdown no longer changes.
    await page.waitForSelector(`${card('crossing-2')} dd:text-is("in 1 min 30 s")`, { state: 'attached' });
    expect(await text(`${card('crossing-2')} .headline`)).toBe('ended');
    expect(await text(`${card('crossing-2')} .reason`)).toBe('killed by SIGKILL');
  });

  test('are drawn one at a time: only the chosen source is drawn', async () => {
    crossing.send('power.lost');
    await page.waitForSelector(state('light.blinking', 'active'));
    await page.click(`${card('crossing-2')} .name`);
    await page.waitForSelector(state('light.red', 'active'));
    await page.keyboard.press('1');
    await page.waitForSelector(state('light.blinking', 'active'));
  });
});

describe('the timeline', () => {
  test('can go back to any moment, and then the machine, the values and the list of events show that moment', async () => {
    watched.shiftMs(4_000);
    crossing.send('car', 'car');
    watched.shiftMs(4_000);
    crossing.send('power.lost');
    watched.shiftMs(4_000);
    crossing.send('power.back', 'car');
    await page.waitForSelector(`${card('crossing-1')} dd:text-is("3")`);
    const stay = await boxOf('.stay[data-state=blinking] rect');
    await page.mouse.move(stay.x + stay.width / 2, stay.y + 4);
    await page.mouse.down();
    await page.waitForSelector(state('light.blinking', 'active'));
    expect(await text(`${card('crossing-1')} .reason`)).toBe('the power is gone');
    expect(await text(`${card('crossing-1')} dl`)).toMatch(/cars2/);
    expect(await text('.event-list .event')).toContain('power.lost');
    await page.mouse.move(stay.x - 12, stay.y + 4, { steps: 3 });
    await page.mouse.up();
    await page.waitForSelector(state('light.red', 'active'));
    expect(await text('.mode')).toContain('paused');
    // New events do not change the moment that is shown.
    crossing.send('power.lost');
    await page.waitForSelector('.mode:has-text("newer")');
    await page.waitForSelector(state('light.red', 'active'));
    await page.keyboard.press('l');
    await page.waitForSelector(state('light.blinking', 'active'));
    expect(await text('.mode')).toBe('● live');
  });

  test('shows spans with their steps and outcome, dropped spans, faults, failures and ended sources', async () => {
    await page.keyboard.press('x');
    await page.waitForSelector('.said:has-text("No failure has been recorded.")');
    crossing.send('clean', 'clean', 'cleaned');
    watched.shiftMs(2_000);
    crossing.send('cleaned');
    const atMs = watched.nowMs();
    watched.add({ kind: 'span', atMs: atMs - 500, source: 'crossing-2', name: 'paint', span: 1, outcome: null });
    watched.add({ kind: 'span', atMs, source: 'crossing-2', name: 'paint', span: 1, outcome: 'no paint' });
    watched.add({ kind: 'note', atMs, source: 'crossing-2', level: 'fault', text: 'its network was cut' });
    watched.add({ kind: 'note', atMs, source: null, level: 'failure', text: 'both were green' });
    await page.waitForSelector('.mark.failure');
    expect(await page.locator('.span.well title').textContent()).toMatch(/clean 2\.0 s: ok\nsweeping .*\nrinsing 2\.0 s/);
    expect(await page.locator('.span.badly title').textContent()).toMatch(/paint 500 ms: no paint/);
    expect(await page.locator('.mark title').allTextContents()).toEqual(
      expect.arrayContaining(['start: starts', 'dropped: clean dropped', 'fault: its network was cut', 'failure: both were green']),
    );
    await page.keyboard.press('x');
    await page.waitForSelector('.event[aria-current]:has-text("both were green")');
    await opened.screenshot('trouble-dark-1280x720');
  });
});

describe('the events', () => {
  test('can be searched and filtered, and a click on an event shows its moment', async () => {
    crossing.send('car', 'press', 'power.lost', 'power.back');
    await page.waitForSelector('.event:has-text("power.back")');
    await page.fill('input[type=search]', 'POWER blinking');
    await untilTexts(page, '.event .what', ['power.back', 'power.lost']);
    await page.selectOption('select[aria-label="Type of event"]', 'power.lost');
    await page.waitForSelector('.event-list:not(:has-text("power.back"))');
    await page.click('.event:has-text("power.lost")');
    await page.waitForSelector(state('light.blinking', 'active'));
    await page.selectOption('select[aria-label="Type of event"]', '');
    await page.fill('input[type=search]', '');
    await page.selectOption('select[aria-label="Source"]', 'crossing-2');
    await page.click('[data-kind=chart]');
    await untilTexts(page, '.event .who', ['crossing-2']);
    expect(await text('.count')).toContain('1 of');
  });

  test('are not added to the list while the page is paused', async () => {
    await page.keyboard.press('p');
    crossing.send('power.lost');
    await page.waitForSelector('.mode:has-text("1 newer")');
    expect(await page.locator('.event:has-text("power.lost")').count()).toBe(0);
    await page.waitForSelector(state('light.red', 'active'));
    await page.keyboard.press('p');
    await page.waitForSelector(state('light.blinking', 'active'));
  });

  test('show hostile markup as plain text', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>" onmouseover="x';
    watched.start(hostile, { [hostile]: hostile, 'a table': { rows: [{ [hostile]: hostile }] } });
    watched.add({ kind: 'note', atMs: watched.nowMs(), source: hostile, level: 'failure', text: hostile });
    watched.add({ kind: 'end', atMs: watched.nowMs(), source: hostile, how: hostile });
    await page.keyboard.press('v');
    await page.waitForSelector('.card.ended table');
    expect(await text('.card.ended .reason')).toBe(hostile);
    expect(await text('.card.ended td')).toBe(hostile);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('script').count()).toBe(1);
    expect(await page.title()).toBe('crossings');
    await page.keyboard.press('x');
    await page.waitForSelector('.event.failure[aria-current]');
  });
});

describe('commands', () => {
  test('that break something first ask for confirmation', async () => {
    await page.keyboard.press('c');
    await page.selectOption('#command-source', 'crossing-2');
    await page.click('[data-command=cut]');
    await page.waitForSelector('dialog.question[open]:has-text("Cut the power: crossing-2")');
    await opened.screenshot('asks-first');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog.question', { state: 'hidden' });
    expect(watched.commands).toEqual([]);
    await page.click('[data-command=cut]');
    await page.click('dialog.question button.breaks');
    await page.waitForSelector('.said:has-text("Done. Cut the power: crossing-2")');
    expect(watched.commands).toEqual([{ command: 'cut', source: 'crossing-2', peer: null }]);
  });

  test('that break nothing run immediately, and a command for a pair needs two different sources', async () => {
    await page.click('text=commands');
    await page.selectOption('#command-peer', 'crossing-1');
    await page.click('[data-command=part]');
    await page.waitForSelector('dialog.commands .failure:has-text("two different nodes")');
    await page.click('[data-command=wave]');
    await page.waitForSelector('.said:has-text("Done")');
    expect(watched.commands).toEqual([{ command: 'wave', source: null, peer: null }]);
  });
});

test('every part of the page can be reached using only the keyboard', async () => {
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  crossing.send('car', 'power.lost', 'power.back');
  await page.waitForSelector('.event:has-text("power.back")');
  await press('?');
  await page.waitForSelector('dialog.help[open] kbd');
  await opened.screenshot('keys');
  await press('Escape');
  await page.waitForSelector('dialog.help', { state: 'hidden' });
  // Moves from state to state in the drawing.
  await press('m');
  expect(await page.locator('.drawing :focus').getAttribute('data-state')).toBe('crossing.light.red');
  await press('ArrowRight', 'Enter');
  await page.waitForSelector('.details:has-text("Esc unpins this")');
  await press('Escape');
  await page.waitForSelector('.details:not(:has-text("Esc unpins this"))');
  await press('Escape');
  await page.waitForSelector('.details', { state: 'hidden' });
  // Chooses the second source and the other regions.
  await press(']');
  await page.waitForSelector(`${card('crossing-2')}.chosen`);
  await press('1', 'r');
  await page.waitForSelector('.drawing[data-region="crossing.walkers"]');
  await press('a', 'a', 'a');
  await page.waitForSelector('.drawing[data-region="crossing.light"]');
  // Searches the events.
  await press('/');
  await page.keyboard.type('lost');
  await page.waitForSelector('.count:has-text("1 of")');
  await press('ArrowDown', 'Enter');
  await page.waitForSelector(state('light.blinking', 'active'));
  // Moves in time: one event back, one change forward, to the start, and back to live.
  await press(',');
  await page.waitForSelector(state('light.red', 'active'));
  await press('Shift+>');
  await page.waitForSelector(state('light.blinking', 'active'));
  await press('Home');
  await page.waitForSelector('.words:has-text("Nothing is known")');
  await press('End', 'l');
  await page.waitForSelector('.mode:has-text("live")');
  // Moves the playhead with the arrow keys.
  await page.focus('.field');
  await press('Shift+ArrowLeft');
  await page.waitForSelector('.mode:has-text("paused")');
  await press('l');
  // Runs a command: chooses it, confirms it and reads its result.
  watched.refusal = 'the fuse is out';
  opened.allow(/status of 409/);
  await press('c', 'ArrowDown', 'Tab', 'Tab', 'Tab', 'Enter');
  await page.waitForSelector('dialog.question[open]');
  await press('Tab', 'Enter');
  await page.waitForSelector('dialog.commands .failure:has-text("the fuse is out")');
  expect(watched.commands).toEqual([{ command: 'cut', source: 'crossing-2', peer: null }]);
});

test('the page keeps the light theme after a reload, and fits the screen of a phone', async () => {
  await page.keyboard.press('t');
  await page.waitForSelector('html[data-theme=light]');
  await opened.screenshot('machine-light-1280x720');
  await page.reload();
  await page.waitForSelector('html[data-theme=light] .drawing');
  await page.setViewportSize(PHONE);
  await untilTrue(page, 'document.documentElement.scrollWidth <= innerWidth');
  await page.waitForSelector('.drawing');
  await opened.screenshot('machine-phone-390x844');
});

test('when the server has dropped events and sends old states again, the page does not report that the clock was set back', async () => {
  const long = new Watched('live', 'long');
  const one = long.start('crossing-1');
  long.start('crossing-2').end();
  long.shiftMs(600_000);
  one.send('power.lost');
  for (let index = 0; index < 20_100; index += 1) long.add({ kind: 'note', atMs: long.nowMs(), source: null, level: 'info', text: `note ${index}` });
  await long.serve();
  closers.push(() => long.stopServing());
  const other = await openPage(browser, long.url);
  closers.push(() => other.close());
  await other.page.waitForSelector(state('light.blinking', 'active'));
  await other.page.waitForSelector('.event:has-text("note 20099")');
  expect(await other.page.locator('.said').textContent()).not.toContain('The clock was set back');
  expect(other.problems).toEqual([]);
});
