/** The identity file of the development cluster, which contains the keys of its app. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parseAppFile } from '../../../../src/cli/app/app-file.ts';
import { DevIdentity } from '../../../../src/cli/dev/identity.ts';
import type { Wallet } from '../../../../src/domain/ids.ts';

const APP = { keys: { privateKey: '11'.repeat(32), teeScalar: '22'.repeat(48), envelope: 'enclaver' } } as const;
const CLUSTER = { chain: { url: 'http://127.0.0.1:1', novaAppRegistry: `0x${'33'.repeat(20)}` as Wallet } };

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dev-identity-'));
  file = join(folder, 'app.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('commands can read the identity file, other users cannot, and the file is removed when the cluster ends', async () => {
  const identity = new DevIdentity(file);
  expect(await identity.write(APP, CLUSTER)).toBeNull();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(parseAppFile(readFileSync(file, 'utf8'))).toEqual({
    ...APP.keys,
    ...{ chain: CLUSTER.chain.url, registry: CLUSTER.chain.novaAppRegistry, kmsAppId: 49, inEnclave: false, confirmations: 6 },
  });
  expect(readdirSync(folder)).toEqual(['app.json']);
  await identity.remove();
  expect(readdirSync(folder)).toEqual([]);
});

test('a cluster replaces an old identity file, but at its end, it does not remove a file that another cluster has written', async () => {
  writeFileSync(file, 'left behind');
  const identity = new DevIdentity(file);
  await identity.write(APP, CLUSTER);
  writeFileSync(file, 'of another cluster');
  await identity.remove();
  expect(readFileSync(file, 'utf8')).toBe('of another cluster');
});

test('a cluster does not replace the identity file of another cluster that is still running, but replaces that of a cluster that has ended', async () => {
  const first = new DevIdentity(file);
  await first.write(APP, CLUSTER);
  const asked: string[] = [];
  const second = (runs: boolean) =>
    new DevIdentity(file, async (url) => {
      asked.push(url);
      return runs;
    });
  const other = { chain: { ...CLUSTER.chain, url: 'http://127.0.0.1:2' } };
  const late = second(true);
  expect(await late.write(APP, other)).toMatch(/app\.json belongs to a different cluster that is running: give a different --identity/);
  await late.remove();
  expect(parseAppFile(readFileSync(file, 'utf8'))?.chain).toBe(CLUSTER.chain.url);
  expect(await second(false).write(APP, other)).toBeNull();
  expect(parseAppFile(readFileSync(file, 'utf8'))?.chain).toBe(other.chain.url);
  expect(asked).toEqual([CLUSTER.chain.url, CLUSTER.chain.url]);
});

test('when the identity file cannot be written, the cluster gets a one-line message and leaves no file behind', async () => {
  const identity = new DevIdentity(join(folder, 'nowhere', 'app.json'));
  expect(await identity.write(APP, CLUSTER)).toMatch(/app\.json cannot be written \(ENOENT\): give a different --identity to act as the app$/);
  await identity.remove();
  expect(readdirSync(folder)).toEqual([]);
});

test('a cluster that has not written an identity file does not remove an existing one', async () => {
  writeFileSync(file, 'of someone else');
  await new DevIdentity(file).remove();
  expect(readFileSync(file, 'utf8')).toBe('of someone else');
});
