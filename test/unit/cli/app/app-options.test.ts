/**
 * The identity with which a command acts as an app: files, variables and their precedence. No error message contains a key. This file also
 * tests the exit codes of failed calls, `check-config`, and when output may have colours.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { KmsClientError, type KmsAttempt } from '../../../../src/client/errors.ts';
import { commandErrorOf } from '../../../../src/cli/app/app-call.ts';
import { parseAppFile } from '../../../../src/cli/app/app-file.ts';
import { clientOptionsOf } from '../../../../src/cli/app/app-options.ts';
import { configLines } from '../../../../src/cli/node/check-config.ts';
import { CommandError } from '../../../../src/cli/exit-codes.ts';
import { takesColours, takesCursor } from '../../../../src/cli/terminal.ts';
import { readConfig } from '../../../../src/config/read-config.ts';
import type { Wallet } from '../../../../src/domain/ids.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-kms-app-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KEY = 'c7'.repeat(32);
const SCALAR = 'd8'.repeat(48);

function fileOf(content: string): string {
  const path = join(folder, `${Math.abs(content.length)}-${Buffer.from(content).toString('hex').slice(-8)}.json`);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

function options(identity: string | undefined, environment: Record<string, string> = {}) {
  return clientOptionsOf({ ...(identity === undefined ? {} : { identity }), timeoutSeconds: 5 }, environment);
}

function refusal(act: () => unknown): { code: number; message: string } {
  try {
    act();
  } catch (error) {
    if (error instanceof CommandError) return { code: error.exitCode, message: error.message };
    throw error;
  }
  throw new Error('the options were not refused');
}

describe('an identity file', () => {
  test('sets the keys and the cluster, and overrides the environment', () => {
    const path = fileOf(JSON.stringify({ privateKey: KEY, teeScalar: `0x${SCALAR}`, envelope: 'capsule', chain: 'http://chain', registry: '0x1', kmsAppId: 7, inEnclave: false, confirmations: 2 }));
    expect(options(path, { NODE_URL: 'http://else', NOVA_KMS_PRIVATE_KEY: '11'.repeat(32) })).toEqual({
      registry: '0x1',
      appId: 7,
      chain: { rpcUrl: 'http://chain' },
      identity: { privateKey: KEY, teeScalar: `0x${SCALAR}`, envelope: 'capsule' },
      inEnclave: false,
      confirmations: 2,
      proxy: { httpProxy: undefined, httpsProxy: undefined, noProxy: 'localhost,127.0.0.1' },
      timeoutMs: 5_000,
    });
  });

  test.each([['640', 0o640], ['604', 0o604], ['620', 0o620]] as const)('that other users may read or write (mode %s) is refused', (_, mode) => {
    const path = fileOf(JSON.stringify({ privateKey: KEY, kmsAppId: mode }));
    chmodSync(path, mode);
    expect(refusal(() => options(path))).toEqual({ code: 2, message: `${path} contains keys, and other users may read it: run chmod 600 ${path}` });
  });

  test('that contains only keys is used with the cluster from the environment', () => {
    const read = options(fileOf(JSON.stringify({ privateKey: KEY })), { NODE_URL: 'http://chain', KMS_APP_ID: '8', IN_ENCLAVE: 'false', HTTPS_PROXY: 'proxy:1', NO_PROXY: 'inside' });
    expect(read).toMatchObject({ appId: 8, chain: { rpcUrl: 'http://chain' }, inEnclave: false, confirmations: 6, proxy: { httpsProxy: 'http://proxy:1', noProxy: 'inside,localhost,127.0.0.1' } });
  });

  test.each([
    [`0x${KEY}\n`, { privateKey: `0x${KEY}` }],
    ['{}', null],
    ['', null],
    [JSON.stringify({ privateKey: 'abc' }), null],
    [JSON.stringify({ privateKey: KEY, privatKey: KEY }), null],
  ])('with the content %j is read as %j', (text, read) => expect(parseAppFile(text)).toEqual(read));

  test('that is invalid or missing is refused with a message that does not quote its content', () => {
    const { code, message } = refusal(() => options(fileOf(`{"privateKey": "${KEY}", nonsense`)));
    expect(code).toBe(2);
    expect(message).toMatch(/is not an identity file: nova-kms derive --help describes its contents$/);
    expect(message).not.toContain(KEY);
    expect(refusal(() => options(join(folder, 'nowhere')))).toMatchObject({ code: 2, message: expect.stringMatching(/cannot be read \(ENOENT\)$/) });
  });
});

describe('without a file,', () => {
  test('the keys are read from two variables', () => {
    expect(options(undefined, { NOVA_KMS_PRIVATE_KEY: KEY, NOVA_KMS_TEE_SCALAR: SCALAR, ODYN_URL: 'http://odyn' }).identity).toEqual({ privateKey: KEY, teeScalar: SCALAR });
  });

  test('the enclave API is used if no key is set', () => expect(options('', { ODYN_URL: 'http://odyn', NOVA_KMS_PRIVATE_KEY: '' }).identity).toEqual({ odynUrl: 'http://odyn' }));

  test('the error explains how to give an identity if neither a key nor an enclave API is set', () => {
    expect(refusal(() => options(undefined))).toEqual({
      code: 2,
      message: 'no identity is given: pass --identity, or set NOVA_KMS_PRIVATE_KEY or ODYN_URL (npm start writes an identity file for its own app)',
    });
  });

  test('the error names an invalid variable of the cluster, but variables that the command does not need are ignored', () => {
    const environment = { ODYN_URL: 'http://odyn', BIND_ADDR: 'nonsense' };
    expect(refusal(() => options(undefined, { ...environment, KMS_APP_ID: 'x' }))).toMatchObject({ code: 2, message: expect.stringMatching(/^KMS_APP_ID must be/) });
    expect(options(undefined, environment).appId).toBe(49);
  });
});

describe('a failed call', () => {
  const attempt = (url: string, failure: KmsAttempt['failure'], status?: number): KmsAttempt => ({ node: `0x${'00'.repeat(20)}` as Wallet, url, failure, status });

  test.each<[KmsClientError, number, string]>([
    [new KmsClientError('invalid_argument', 'key must be'), 2, 'key must be'],
    [new KmsClientError('no_nodes', 'there is no node'), 3, 'there is no node'],
    [
      new KmsClientError('unavailable', 'no node answered', { attempts: [attempt('http://a', 'unready', 503), attempt('http://b', 'unreachable'), attempt('http://a', 'unready', 503)] }),
      3,
      'no node answered: http://a unready 503; http://b unreachable',
    ],
    [new KmsClientError('unavailable', 'no node answered', { attempts: [attempt('http://a\u001b[2J', 'unreachable')] }), 1, 'no node answered: http://a?[2J unreachable'],
    [new KmsClientError('refused', 'refused: 507', { status: 507, serverCode: 'insufficient_storage' }), 1, 'refused: 507'],
    [new KmsClientError('refused', 'refused: 504', { status: 504, serverCode: 'not_replicated' }), 1, 'refused: 504: the write is kept and continues to replicate to the other nodes'],
    [new KmsClientError('refused', 'refused: 413', { status: 413, serverCode: 'payload_too_large' }), 1, 'refused: 413: the value is larger than a node accepts'],
    [
      new KmsClientError('refused', 'refused: 403', { status: 403, serverCode: 'forbidden' }),
      1,
      'refused: 403: is the app registered with these keys, and is the registration deep enough in the chain?',
    ],
    [
      new KmsClientError('registry_unavailable', 'the registry cannot be read'),
      1,
      'the registry cannot be read: does the RPC of the chain answer at NODE_URL, or at the URL in the chain field of the identity file?',
    ],
  ])('ends the command with the exit code and message for its cause: %s', (error, code, message) => {
    const told = commandErrorOf(error);
    expect([told.exitCode, told.message]).toEqual([code, message]);
  });
});

describe('check-config', () => {
  const secrets = { IN_ENCLAVE: 'false', MASTER_SECRET_HEX: 'a7'.repeat(32), NODE_URL: 'https://user:pass@rpc.example/token' };

  test('shows the effective configuration, but for each secret only whether it is set', () => {
    const { stdout, stderr } = configLines(readConfig(secrets), false);
    expect(stderr).toEqual([]);
    expect(stdout).toContainEqual(expect.stringMatching(/^MASTER_SECRET_HEX +set$/));
    expect(stdout).toContainEqual(expect.stringMatching(/^KMS_APP_ID +49$/));
    expect(stdout.join('\n')).not.toMatch(/a7a7|pass|token/);
  });

  test('shows each problem on its own line, or as one item of a list in JSON', () => {
    const wrong = readConfig({ ...secrets, KMS_APP_ID: 'x', BIND_ADDR: 'y' });
    expect(configLines(wrong, false)).toEqual({ stdout: [], stderr: [expect.stringMatching(/^BIND_ADDR must/), expect.stringMatching(/^KMS_APP_ID must/)] });
    const { stdout } = configLines(wrong, true);
    expect(JSON.parse(stdout.join(''))).toEqual({ ok: false, effective: null, problems: [expect.any(String), expect.any(String)] });
  });

  test('prints one JSON object for programs', () => {
    expect(JSON.parse(configLines(readConfig({}), true).stdout.join(''))).toMatchObject({ ok: true, effective: { KMS_APP_ID: '49' }, problems: [] });
  });
});

test.each([
  [true, {}, true, true],
  [true, { NO_COLOR: '1' }, false, true],
  [true, { NO_COLOR: '' }, true, true],
  [true, { TERM: 'dumb' }, false, false],
  [false, {}, false, false],
])('output is a terminal: %j, environment: %j → colours are allowed: %j, cursor moves are allowed: %j', (isTTY, environment, colours, cursor) => {
  expect([takesColours({ isTTY }, environment), takesCursor({ isTTY }, environment)]).toEqual([colours, cursor]);
});
