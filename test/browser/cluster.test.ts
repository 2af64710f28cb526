/** Follows three nodes through their states on the page of `npm start`, and breaks them with commands. Uses only the keyboard. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { StartedCommand } from '../e2e/support/started-command.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { launchBrowser, openPage, PHONE, WIDE } from './support/browser.ts';

const NODES = ['node-1', 'node-2', 'node-3'];

let browser: Browser;
let cluster: StartedCommand;
beforeAll(async () => {
  browser = await launchBrowser();
  cluster = new StartedCommand('npm', ['start', '--silent', '--', '--json', '--tick-seconds', '2']);
});
afterAll(async () => {
  await browser.close();
  await cluster.clear();
});

function visualizerUrl(): string | null {
  for (const line of cluster.stdout.split('\n')) {
    const [, url] = /"event":"visualizer","url":"([^"]+)"/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  return null;
}

test('the page follows three nodes while they start, while one is killed and started again, and after a reset of the hash', async () => {
  await cluster.until('the address of the page', () => visualizerUrl() !== null);
  const opened = await openPage(browser, visualizerUrl()!);
  const { page } = opened;
  page.setDefaultTimeout(WAIT_TIMEOUT_MS);
  const card = (name: string, state: string): string => `.card[data-source="${name}"]${state}`;
  const all = async (state: string): Promise<void> => {
    try {
      await Promise.all(NODES.map((name) => page.waitForSelector(card(name, state))));
    } catch (error) {
      // If the wait fails, the error shows the cards of the page.
      const cards = await page.locator('.card').allTextContents();
      throw new Error(`not all cards match ${state}:\n${cards.join('\n')}\n${cluster.stdout.slice(-2_000)}`, { cause: error });
    }
  };
  const tabTo = async (selector: string): Promise<void> => {
    for (let tabs = 0; tabs < 60 && (await page.locator(`${selector}:focus`).count()) === 0; tabs++) await page.keyboard.press('Tab');
    expect(await page.locator(`${selector}:focus`).count()).toBe(1);
  };
  const command = async (name: string): Promise<void> => {
    await page.keyboard.press('c');
    await tabTo(`[data-command=${name}]`);
    await page.keyboard.press('Enter');
    await tabTo('dialog.question button.breaks');
    await page.keyboard.press('Enter');
  };

  // The nodes appear one after another and become ready.
  await page.waitForSelector('.drawing .state.active');
  await opened.screenshot('cluster-starts-dark-1280x720');
  await all('[data-state=ready]');
  await page.waitForSelector('.drawing [data-state="node.readiness.ready"].active');
  await page.waitForSelector('.span.well', { state: 'attached' });
  await opened.screenshot('cluster-ready-dark-1280x720');

  await page.keyboard.press('a');
  await opened.screenshot('cluster-regions-dark-1280x720');
  await page.keyboard.press('a');
  await page.waitForSelector('.drawing[data-region=all] .state.active');
  await opened.screenshot('cluster-whole-dark-1280x720');
  await page.keyboard.press('a');
  await page.setViewportSize(PHONE);
  await opened.screenshot('cluster-ready-dark-390x844');
  await page.setViewportSize(WIDE);

  // One node is killed, and its card shows that. Then the chart shows how the node becomes ready again.
  await page.keyboard.press('2');
  await command('kill_node');
  await page.waitForSelector(card('node-2', '.ended'));
  await page.waitForSelector('.said:has-text("Done")');
  await opened.screenshot('cluster-killed-dark-1280x720');
  await command('restart_node');
  await page.waitForSelector(card('node-2', '[data-state=ready]'));
  await page.waitForSelector('.drawing [data-state="node.readiness.ready"].active');
  await page.waitForSelector('.arrow:not(.never)[data-arrow$="-> node.readiness.ready"]', { state: 'attached' });

  // Without the hash, no node is ready, and each card shows the reason.
  await command('reset_hash');
  await all(':not([data-state=ready]):not(.ended)');
  await page.waitForSelector(`${card('node-1', ':not([data-state=ready])')} .reason:not(:empty)`);
  await opened.screenshot('cluster-reset-dark-1280x720');
  await page.keyboard.press('t');
  await page.keyboard.press('v');
  await opened.screenshot('cluster-values-light-1280x720');
  await page.keyboard.press('v');

  // Moves back in time to a moment when all nodes were ready.
  await page.focus('.field');
  const ready = NODES.map((name) => card(name, '[data-state=ready]')).join(', ');
  for (let presses = 0; presses < 12 && (await page.locator(ready).count()) < NODES.length; presses++) {
    await page.keyboard.press('Shift+ArrowLeft');
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))');
  }
  expect(await page.locator(ready).count()).toBe(NODES.length);
  await page.waitForSelector('.mode:has-text("paused")');
  await page.keyboard.press('l');
  await all('[data-state=ready]');

  const { problems } = opened;
  const second = await openPage(browser, visualizerUrl()!);
  await second.page.waitForSelector('.drawing .state.active');
  await opened.close();
  expect(problems).toEqual([]);
  await second.close();
});
