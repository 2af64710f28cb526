/** A real browser. Its pages collect all problems, and a test expects none. */
import chromium from '@sparticuz/chromium';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { chromium as playwright, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

export const WIDE = { width: 1280, height: 720 };
export const PHONE = { width: 390, height: 844 };

/**
 * Arguments that the browser package sets and the tests leave out. With `--single-process`, closing the first page ends the browser. The
 * others turn off security features that are under test.
 */
const UNWANTED: readonly string[] = ['--single-process', '--disable-web-security', '--disable-site-isolation-trials', '--allow-running-insecure-content'];

/**
 * The delay of each animation frame. Because of this delay, a test that does not wait for the page to draw fails on every machine, not only
 * on a busy one. Milliseconds.
 */
const FRAME_LATE_MS = 150;

const SCREENSHOTS = join(import.meta.dirname, '..', '..', '..', 'artifacts', 'screenshots');

export async function launchBrowser(): Promise<Browser> {
  const args = chromium.args.filter((argument) => !UNWANTED.includes(argument));
  return playwright.launch({ executablePath: await chromium.executablePath(), args, headless: true });
}

/**
 * Waits until an expression is true in the page. The browser driver has a function for this, but it evaluates strings in the page, which
 * the page's policy forbids.
 */
export async function untilTrue(page: Page, expression: string): Promise<void> {
  await waitUntil({ what: expression, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () => ((await page.evaluate<boolean>(expression)) ? null : 'it is not true'));
}

/** Waits until the elements that match a selector have these texts, in this order. */
export async function untilTexts(page: Page, selector: string, expected: readonly string[]): Promise<void> {
  await waitUntil({ what: selector, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () => {
    const found = await page.locator(selector).allTextContents();
    return isDeepStrictEqual(found, expected) ? null : `it is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`;
  });
}

export interface OpenedPage {
  readonly page: Page;
  /** Console errors, script errors, policy violations, and requests to other servers. */
  readonly problems: string[];
  /** From now on, a message that matches is not a problem, because the test causes it. */
  allow(problem: RegExp): void;
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  const context = await browser.newContext({ viewport: WIDE, colorScheme: 'dark', ...options });
  context.setDefaultTimeout(WAIT_TIMEOUT_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  const allowed: RegExp[] = [];
  const note = (text: string): void => {
    if (!allowed.some((pattern) => pattern.test(text))) problems.push(text);
  };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') note(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => note(`script: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) note(`outside: ${request.url()}`);
  });
  await page.addInitScript({
    content: 'document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));',
  });
  await page.addInitScript({
    content: `const draw = requestAnimationFrame; globalThis.requestAnimationFrame = (work) => setTimeout(() => draw(work), ${FRAME_LATE_MS});`,
  });
  await page.goto(url);
  return {
    page,
    problems,
    allow: (problem) => void allowed.push(problem),
    async screenshot(name) {
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
    },
    close: () => context.close(),
  };
}
