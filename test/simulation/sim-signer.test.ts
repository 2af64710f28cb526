/** The cheap signatures of simulated wallets (src/sim/world/sim-signer.ts), held against what the product makes of them. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isPrivateKey, recoverEip191, walletOfPrivateKey } from '../../src/crypto/signature.ts';
import { SimSigner } from '../../src/sim/world/sim-signer.ts';

const walletKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isPrivateKey);

test('the wallet that signed is recovered from each signature, and from it over another text another one', () => {
  fc.assert(
    fc.property(walletKey, fc.string({ unit: 'binary' }), fc.string({ minLength: 1 }), (key, text, more) => {
      const signature = new SimSigner(key).sign(text);
      expect(recoverEip191(text, signature)).toBe(walletOfPrivateKey(key));
      expect(recoverEip191(text + more, signature)).not.toBe(walletOfPrivateKey(key));
    }),
  );
});
