/** The last answers to multicalls (protocol.md §6): an answer is found only for equal calls, and only a few answers are kept. */
import { describe, expect, test } from '@jest/globals';
import { parseAbi, type Hex } from 'viem';
import { LastViews, type LastView } from '../../../src/registry/last-views.ts';
import type { ViewCall } from '../../../src/registry/view-call.ts';

const ABI = parseAbi(['function version(uint256 app, uint256 id) view returns (uint256)']);

function version(id: bigint, changes: Partial<ViewCall> = {}): ViewCall {
  return { address: `0x${'11'.repeat(20)}`, abi: ABI, functionName: 'version', args: [7n, id], ...changes };
}

function lastOf(calls: readonly ViewCall[], answer: Hex = '0x01'): LastView {
  return { calls, sent: '0x02', answer, results: calls.map(() => ({ ok: true, value: answer })) };
}

describe('the last answer', () => {
  test('is found for equal calls, even when they are not the same objects', () => {
    const views = new LastViews();
    views.remember(lastOf([version(1n), version(2n)]));
    expect(views.find([version(1n), version(2n)])?.answer).toBe('0x01');
  });

  test.each<[string, readonly ViewCall[]]>([
    ['in a different order', [version(2n), version(1n)]],
    ['from which one call is missing', [version(1n)]],
    ['with one additional call', [version(1n), version(2n), version(3n)]],
    ['that is empty', []],
    ['in which one call goes to a different contract', [version(1n), version(2n, { address: `0x${'22'.repeat(20)}` })]],
    ['in which one call names a different function', [version(1n), version(2n, { functionName: 'other' })]],
    ['in which one call has a different ABI', [version(1n), version(2n, { abi: [...ABI] })]],
    ['in which one call has a different argument', [version(1n), version(3n)]],
    ['in which one call has fewer arguments', [version(1n), version(2n, { args: [7n] })]],
    ['in which one call has an argument of a different type', [version(1n), version(2n, { args: [7n, '2'] })]],
  ])('is not found for a list of calls %s', (_, calls) => {
    const views = new LastViews();
    views.remember(lastOf([version(1n), version(2n)]));
    expect(views.find(calls)).toBeUndefined();
  });

  test('replaces the previous answer', () => {
    const views = new LastViews();
    views.remember(lastOf([version(1n)], '0x01'));
    views.remember(lastOf([version(1n)], '0x03'));
    expect(views.find([version(1n)])?.answer).toBe('0x03');
  });

  test('is not remembered if it is too long, and the previous answer is forgotten', () => {
    const views = new LastViews();
    views.remember(lastOf([version(1n)]));
    views.remember(lastOf([version(1n)], `0x${'00'.repeat(131_072)}`));
    expect(views.find([version(1n)])).toBeUndefined();
  });

  test('is forgotten when the answers to four other lists of calls have been remembered', () => {
    const views = new LastViews();
    const ids = [1n, 2n, 3n, 4n, 5n];
    for (const id of ids) views.remember(lastOf([version(id)]));
    expect(ids.map((id) => views.find([version(id)]) !== undefined)).toEqual([false, true, true, true, true]);
  });
});
