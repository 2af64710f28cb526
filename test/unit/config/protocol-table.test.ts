/** Each configuration variable of a node has the default that the table of the protocol shows (docs/protocol.md §8). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { SETTINGS } from '../../../src/config/settings.ts';

const PROTOCOL = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'protocol.md'), 'utf8');
const [, section8 = ''] = /^## 8\. .*?$(.*?)^## 9\. /ms.exec(PROTOCOL) ?? [];

/** Variables that only this implementation has: those for the platform's proxy (§7) and those for the visualiser. */
const OWN = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'VISUALIZER_PORT', 'VISUALIZER_IN_ENCLAVE', 'VISUALIZER_COMMAND_TOKEN'];

/** Maps each variable to its default as the table writes it. The words `unset` and `empty` mean a missing and an empty default. */
const TABLE = new Map(
  section8
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length >= 4 && cells[1]!.startsWith('`'))
    .flatMap(([, names = '', fallback = '']) => [...names.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name = '']) => [name, fallback.replaceAll('`', '')] as const)),
);

test('the table can be parsed', () => expect(TABLE.get('KMS_NODE_TICK_SECONDS')).toBe('60'));

test.each(Object.values(SETTINGS).map(({ variable, fallback }) => [variable, fallback] as const).filter(([variable]) => !OWN.includes(variable)))(
  '%s has the default that the table shows',
  (variable, fallback) => expect(fallback === undefined ? 'unset' : fallback === '' ? 'empty' : fallback).toBe(TABLE.get(variable)),
);
