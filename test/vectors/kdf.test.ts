/** protocol.md §3 "Key derivation", and the chain hash in "Terms". */
import { expect } from '@jest/globals';
import { deriveKey, derivationInfo } from '../../src/crypto/derivation.ts';
import { keccak256 } from '../../src/crypto/hash.ts';
import { Vault } from '../../src/crypto/vault.ts';
import { toAppId, type AppId } from '../../src/domain/ids.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface KdfCase extends VectorCase {
  readonly op: 'derive' | 'data_key' | 'sync_key' | 'chain_hash';
  readonly secret: string;
  readonly app_id?: string;
  readonly path?: string;
  readonly context?: string;
  readonly length?: number;
  readonly info_utf8_hex?: string;
  readonly expect: { readonly key?: string; readonly hash?: string };
}

function vaultWith(secretHex: string): Vault {
  const vault = new Vault({ random: new SeededRandom('kdf') });
  const secret = Uint8Array.from(Buffer.from(secretHex, 'hex'));
  vault.serve(vault.hold(secret));
  vault.installSyncKey();
  return vault;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describeVectors<{ cases: KdfCase[] }>('kdf.json', ({ file, cases }) => {
  cases(file.cases, 'derivation', (vector) => {
    const secret = Buffer.from(vector.secret, 'hex');
    switch (vector.op) {
      case 'derive': {
        const { app_id: appIdText = '', path = '', context, length = 32 } = vector;
        const info = derivationInfo(path, context);
        if (vector.info_utf8_hex !== undefined) expect(Buffer.from(info).toString('hex')).toBe(vector.info_utf8_hex);
        expect(hex(deriveKey(secret, BigInt(appIdText), info, length))).toBe(vector.expect.key);
        const appId = toAppId(BigInt(appIdText));
        if (appId === null || appId === 0 || info === 'data_key') return;
        expect(hex(vaultWith(vector.secret).deriveAppKey(appId, path, context, length))).toBe(vector.expect.key);
        return;
      }
      case 'data_key': {
        expect(hex(deriveKey(secret, BigInt(vector.app_id!), 'data_key', 32))).toBe(vector.expect.key);
        const appId = toAppId(BigInt(vector.app_id!));
        if (appId === null) return;
        const vault = vaultWith(vector.secret);
        expect(() => vault.deriveAppKey(appId, 'data_key', undefined, 32)).toThrow('reserved');
        const stored = vault.sealValue(appId, Buffer.from('value'));
        expect(Buffer.from(vault.openValue(appId, stored)!).toString()).toBe('value');
        return;
      }
      case 'sync_key':
        expect(hex(deriveKey(secret, 0, 'sync_hmac_key', 32))).toBe(vector.expect.key);
        expect(() => vaultWith(vector.secret).deriveAppKey(0 as AppId, 'sync_hmac_key', undefined, 32)).toThrow('app 0');
        return;
      case 'chain_hash':
        expect(keccak256(secret)).toBe(`0x${vector.expect.hash}`);
    }
  });
});
