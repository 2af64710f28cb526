/** A real browser, and pages in it that say what went wrong in them: nothing may. */
import chromium from '@sparticuz/chromium';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium as playwright, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

export const WIDE = { width: 1280, height: 720 };
export const PHONE = { width: 390, height: 844 };
/** How long a page may take for what a test waits for. Milliseconds. */
const WAIT_MS = 10_000;

const SCREENSHOTS = join(import.meta.dirname, '..', '..', '..', 'artifacts', 'screenshots');

export async function launchBrowser(): Promise<Browser> {
  return playwright.launch({ executablePath: await chromium.executablePath(), args: chromium.args, headless: true });
}

export interface OpenedPage {
  readonly page: Page;
  /** Errors of the console and of scripts, broken policies, requests that went elsewhere. */
  readonly problems: string[];
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

/** @param allowed console errors that the test brings about, such as a connection that is refused */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { readonly allowed?: RegExp } = {},
): Promise<OpenedPage> {
  const { allowed, ...contextOptions } = options;
  const context = await browser.newContext({ viewport: WIDE, colorScheme: 'dark', ...contextOptions });
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  const note = (text: string): void => {
    if (!(allowed?.test(text) ?? false)) problems.push(text);
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
  await page.goto(url);
  return {
    page,
    problems,
    async screenshot(name) {
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
    },
    close: () => context.close(),
  };
}
