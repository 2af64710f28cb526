/** The files of the page. */
import type { PageFiles } from './ports.ts';

export async function loadPageFiles(): Promise<PageFiles> {
  return new Map([['/', { type: 'text/html; charset=utf-8', body: '<!doctype html><title>Visualiser</title>' }]]);
}
