/** How the node interprets an RPC's answer to a raw transaction (protocol.md §6). The error messages are those of real RPCs. */
import { expect, test } from '@jest/globals';
import { judgeSending } from '../../../src/registry/sending.ts';

test.each([
  ['already known', 'known'],
  ['transaction already imported', 'known'],
  ['known transaction: abc', 'known'],
  ['AlreadyKnown', 'known'],
  ['nonce too low', 'nonce_used'],
  ['nonce too low: next nonce 8, tx nonce 7', 'nonce_used'],
  ['insufficient funds for gas * price + value', 'no_funds'],
  ['InsufficientFunds, Account balance: 0', 'no_funds'],
  ['Upfront cost exceeds account balance', 'no_funds'],
  ["sender doesn't have enough funds to send tx", 'no_funds'],
  ['replacement transaction underpriced', 'underpriced'],
  ['transaction underpriced', 'underpriced'],
  ['transaction underpriced: gas tip cap 1000000, minimum needed 4000000', 'underpriced'],
  ['max fee per gas less than block base fee', 'underpriced'],
  ['ReplacementNotAllowed', 'underpriced'],
  ['INTERNAL_ERROR: could not replace existing tx', 'underpriced'],
  ['gas price too low', 'underpriced'],
  ['GasPriceTooLow', 'underpriced'],
  ['FeeTooLow, EffectivePriorityFeePerGas too low', 'underpriced'],
  ['fee too low', 'underpriced'],
  ['intrinsic gas too low', 'refused'],
  ['internal error', 'refused'],
  ['', 'refused'],
  [undefined, 'refused'],
])('"%s" means: %s', (said, sending) => {
  expect(judgeSending(said)).toBe(sending);
});
