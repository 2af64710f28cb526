/**
 * The messages that a wallet signs (protocol.md §3, docs/audit.md). Messages of different kinds are never equal, so a signature for one
 * kind of message is never valid for another.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { appAuthMessage, auditMessage, peerAuthMessage, readNonce, responseMessage } from '../../../src/crypto/messages.ts';
import type { Wallet } from '../../../src/domain/ids.ts';

const hexOf = (digits: number) => fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: digits, maxLength: digits });
const wallet = hexOf(40).map((digits) => `0x${digits}` as Wallet);
/** Nonces that a hostile caller may choose. All are well-formed, because a node signs no other nonces. */
const nonce = fc.oneof(fc.constantFrom('Audit', 'Audit:1', '1', 'AppAuth', ''), fc.base64String({ maxLength: 64 })).filter((text) => readNonce(text) !== null);
const text = fc.oneof(fc.string(), fc.constantFrom('Audit:1:', ':', '1'));

test('the message of an audit checkpoint never equals the message of a proof or an answer', () => {
  fc.assert(
    fc.property(fc.nat(), hexOf(64), wallet, nonce, text, wallet, (sequence, hash, ofAudit, given, free, other) => {
      const checkpoint = auditMessage(sequence, hash, ofAudit);
      expect(checkpoint).toMatch(/^NovaKMS:Audit:\d+:[0-9a-f]{64}:0x[0-9a-f]{40}$/);
      for (const proof of [appAuthMessage(given, other, free), peerAuthMessage(given, other, free), responseMessage(free, other)]) {
        expect(proof.startsWith('NovaKMS:Audit:')).toBe(false);
        expect(proof).not.toBe(checkpoint);
      }
    }),
  );
});
