/**
 * Fuzzes all parsers of strings and values from outside. Each must return a value, return null, or throw its own kind of refusal. A
 * returned value must have the promised form.
 */
import fc from 'fast-check';
import { parseAppFile } from '../../src/cli/app/app-file.ts';
import { readConfig } from '../../src/config/read-config.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { decodeBase64, encodeBase64 } from '../../src/crypto/base64.ts';
import { parseJsonOrNull } from '../../src/crypto/json.ts';
import { readNonce } from '../../src/crypto/messages.ts';
import { isP384PublicKey, p384FromScalar } from '../../src/crypto/p384.ts';
import { openSecret } from '../../src/crypto/sealed-secret.ts';
import { recoverEip191 } from '../../src/crypto/signature.ts';
import { openStoredValue } from '../../src/crypto/stored-value.ts';
import { parseEnvelope } from '../../src/domain/envelope.ts';
import { parseHash32, parseTeePubkey, parseWallet } from '../../src/domain/ids.ts';
import { readRetryAfterMs } from '../../src/domain/retry-after.ts';
import { parseStrictJson } from '../../src/enclave/emulator/strict-json.ts';
import { decodePercent, readQuery } from '../../src/http/query.ts';
import { isForbiddenTarget } from '../../src/net/address-guard.ts';
import { readRecord } from '../../src/store/record-codec.ts';
import * as messages from '../../src/sync/messages.ts';
import { expected } from './expected.ts';
import { anyBytes, anyJson, changed, changes, jsonOf } from './hostile.ts';
import { target } from './target.ts';

const keys = p384FromScalar('01'.repeat(48));
const RECORD = { key: 'k', value: 'ab'.repeat(40), version: { 'a/1': 5 }, updated_at_ms: 1, tombstone: false, ttl_ms: 0 };
const ENVELOPE = { sender_tee_pubkey: keys.publicKeyDer, nonce: '00'.repeat(12), encrypted_data: '00'.repeat(20) };
const SEALED = { ephemeral_pubkey: keys.publicKeyDer, encrypted_data: '00'.repeat(48), nonce: '00'.repeat(12) };
const TEXTS = ['0x' + 'ab'.repeat(20), 'ab'.repeat(120), '0x' + '11'.repeat(65), 'AAAA', '5', '10.0.0.1', '::ffff:127.0.0.1', '{"privateKey":1}', '%zz', 'key=a&key=b', keys.publicKeyDer];

type Check = (text: string, bytes: Buffer, value: unknown) => unknown;

function promise(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Each parser reads one of the three arguments and may refuse that argument. */
const PARSERS: Readonly<Record<string, Check>> = {
  wallet: (text) => promise(/^(?:null|0x[0-9a-f]{40})$/.test(String(parseWallet(text))), 'a wallet in the wrong form'),
  teePubkey: (text) => promise(/^(?:null|(?:[0-9a-f]{2})+)$/.test(String(parseTeePubkey(text))), 'a key in the wrong form'),
  hash: (text) => promise(/^(?:null|0x[0-9a-f]{64})$/.test(String(parseHash32(text))), 'a hash in the wrong form'),
  nonce: (text, _, value) => [readNonce(text), readNonce(value)].forEach((nonce) => promise(nonce === null || nonce.length <= 64, 'a nonce that is too long')),
  base64: (text) => {
    const bytes = decodeBase64(text);
    promise(bytes === null || encodeBase64(bytes) === text, 'base64 that is not canonical');
  },
  signature: (text) => promise(/^(?:null|0x[0-9a-f]{40})$/.test(String(recoverEip191('message', text))), 'a signer in the wrong form'),
  publicKey: (text) => isP384PublicKey(text),
  retryAfter: (text) => promise((readRetryAfterMs(text, 1_000) ?? 0) <= 1_000, 'a pause above its limit'),
  address: (text) => isForbiddenTarget(text),
  percent: (text) => decodePercent(text, 'path'),
  query: (text) => readQuery(text, ['key', 'prefix']),
  appFile: (text) => parseAppFile(text),
  strictJson: (_, bytes) => {
    try {
      parseStrictJson(bytes);
    } catch (error) {
      promise(error instanceof SyntaxError || error instanceof TypeError, 'an error that is neither a SyntaxError nor a TypeError');
    }
  },
  config: (text) => {
    const environment = Object.fromEntries(Object.values(SETTINGS).map(({ variable }) => [variable, text]));
    const read = readConfig(environment);
    promise(read.ok || read.problems.every((line) => /^\w+ [^\n]+$/.test(line)), 'a problem that names no variable');
  },
  envelope: (_, __, value) => {
    const sealed = parseEnvelope(value);
    promise(sealed === null || [sealed.nonce, sealed.encryptedData, sealed.senderPubkey].every((hex) => /^(?:[0-9a-f]{2})+$/.test(hex)), 'an envelope in the wrong form');
  },
  sealedSecret: (_, __, value) => promise((openSecret(keys, value)?.length ?? 32) === 32, 'a secret of the wrong length'),
  storedValue: (_, bytes) => openStoredValue(Buffer.alloc(32), bytes),
  record: (_, __, value) => {
    const record = readRecord(value, { maxValueBytes: 1_000 });
    promise(typeof record === 'string' || record.key !== '', 'a record without a key');
  },
  messages: (_, __, value) => {
    for (const schema of Object.values(messages)) schema.safeParse(value);
  },
};

const cases = fc.record({
  parser: fc.constantFrom(...Object.keys(PARSERS)),
  text: fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom(...TEXTS), fc.webUrl(), fc.tuple(fc.constantFrom(...TEXTS), fc.string()).map(([start, end]) => start + end)),
  bytes: anyBytes,
  value: fc.oneof(anyJson, fc.tuple(fc.constantFrom<unknown>(RECORD, ENVELOPE, SEALED, { data: { '1': [RECORD] } }, { status: 'ok', merged: 1 }), changes).map(([good, list]) => changed(good, list))),
});

export const parsers = target({
  name: 'parsers',
  cases,
  batch: 2_000,
  async start() {
    return {
      async check({ parser, text, bytes, value }) {
        // A value from outside has always been parsed from JSON, so the value of the case is turned into JSON and parsed again.
        await expected(parser, () => PARSERS[parser]!(text, bytes, parseJsonOrNull(jsonOf(value))));
        if ('polluted' in {}) throw new Error('the prototype of all objects was changed');
      },
      close: async () => undefined,
    };
  },
});
