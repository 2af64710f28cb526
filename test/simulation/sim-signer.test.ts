/** A simulated wallet makes its signatures cheaply (src/sim/world/sim-signer.ts). The production code accepts them. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isPrivateKey, recoverEip191, walletOfPrivateKey } from '../../src/crypto/signature.ts';
import { SimSigner } from '../../src/sim/world/sim-signer.ts';

const walletKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isPrivateKey);

test('the wallet recovered from a signature is the wallet of the signer if the text is unchanged, but not if text was appended', () => {
  fc.assert(
    fc.property(walletKey, fc.string({ unit: 'binary' }), fc.string({ minLength: 1 }), (key, text, more) => {
      const signature = new SimSigner(key).sign(text);
      expect(recoverEip191(text, signature)).toBe(walletOfPrivateKey(key));
      expect(recoverEip191(text + more, signature)).not.toBe(walletOfPrivateKey(key));
    }),
  );
});
