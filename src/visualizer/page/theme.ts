/** The theme, light or dark: the system's theme, until the reader chooses one. */
import { rememberedTheme, rememberTheme } from './browser.ts';

export function showRememberedTheme(): void {
  show(rememberedTheme());
}

export function switchTheme(): void {
  const shown = document.documentElement.dataset['theme'] ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const theme = shown === 'dark' ? 'light' : 'dark';
  rememberTheme(theme);
  show(theme);
}

function show(theme: string | null): void {
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset['theme'] = theme;
}
