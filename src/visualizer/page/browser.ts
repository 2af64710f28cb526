/** The page's ports: clocks, timers, the network and local storage. No other file of the page uses these directly. */
/* eslint-disable no-restricted-globals, no-restricted-properties -- these are the page's ports */

export const unixMs = (): number => Date.now();
/** Milliseconds since the page was opened, from a monotonic clock. */
export const pageMs = (): number => performance.now();

export function every(ms: number, work: () => void): void {
  setInterval(work, ms);
}

export function after(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}

/** @throws Error with a message for the reader */
export async function getJson(path: string): Promise<unknown> {
  const response = await fetch(path, { headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

/** @throws Error with a message for the reader */
export async function getText(path: string): Promise<string> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.text();
}

/** @throws Error with the server's message */
export async function postJson(path: string, body: unknown, token: string): Promise<void> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-visualizer-token': token },
    body: JSON.stringify(body),
  });
  if (response.ok) return;
  const answer: unknown = await response.json().catch(() => null);
  const { error } = typeof answer === 'object' && answer !== null ? (answer as { error?: unknown }) : {};
  throw new Error(typeof error === 'string' ? error : `${path} answered ${response.status}`);
}

const THEME = 'visualizer-theme';

/** The theme that the reader chose; null: the system's theme. */
export function rememberedTheme(): string | null {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

export function rememberTheme(theme: string): void {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // The browser does not allow storage.
  }
}
