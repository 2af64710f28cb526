/** How an answer of the chain's RPC is judged (protocol.md §6): a revert is a valid answer, but an empty answer is not. */
import { expect, test } from '@jest/globals';
import type { DependencyCall } from '../../../src/domain/dependency-failures.ts';
import { judgeRpcAnswer, type HttpAnswer } from '../../../src/registry/rpc-answer.ts';

const call = (method: string): DependencyCall => ({ dependency: 'chain', endpoint: 'rpc.test:443', call: method, setting: 'NODE_URL' });
const http = (body: unknown, status = 200, more: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  location: null,
  retryAfter: null,
  text: typeof body === 'string' ? body : JSON.stringify(body),
  ...more,
});

test.each<[number, string, 'reverted' | 'unreadable']>([
  [3, 'execution reverted', 'reverted'],
  [3, '', 'reverted'],
  [-32_000, 'execution reverted: custom error', 'reverted'],
  [-32_000, 'max code size exceeded', 'reverted'],
  [-32_000, 'max initcode size exceeded', 'reverted'],
  [-32_603, 'EVM error CreateContractSizeLimit', 'reverted'],
  [-32_003, 'CreateContractSizeLimit', 'reverted'],
  [-32_003, 'OutOfGas(Basic)', 'reverted'],
  [-32_000, 'invalid opcode: INVALID', 'reverted'],
  [-32_005, 'limit exceeded', 'unreadable'],
  [-32_603, 'internal error', 'unreadable'],
  [-32_000, 'header not found', 'unreadable'],
  [-32_000, 'missing trie node 5fa2 (path ) state is not available', 'unreadable'],
  [-32_602, "missing field 'to'", 'unreadable'],
])('the error %i "%s" is judged as "%s"', (code, message, kind) => {
  expect(judgeRpcAnswer(call('eth_call'), http({ error: { code, message } })).kind).toBe(kind);
});

test.each<[string, string, HttpAnswer, object]>([
  ['a result', 'eth_call', http({ result: '0x' }), { kind: 'result', result: '0x' }],
  ['a result with a null error', 'eth_chainId', http({ result: '0x1', error: null }), { kind: 'result', result: '0x1' }],
  ['null', 'eth_call', http({ result: null }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['an empty string', 'eth_call', http({ result: '' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a null block', 'eth_getBlockByNumber', http({ result: null }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a null receipt', 'eth_getTransactionReceipt', http({ result: null }), { kind: 'result', result: null }],
  ['a list', 'eth_call', http([{ result: '0x' }]), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a string', 'eth_call', http('"secret"'), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a body that is not JSON', 'eth_call', http('<html>'), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['empty hex instead of a number', 'eth_blockNumber', http({ result: '0x' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a number that is not hex', 'eth_getTransactionCount', http({ result: 7 }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['empty hex instead of a block', 'eth_getBlockByNumber', http({ result: '0x' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a block without a time', 'eth_getBlockByNumber', http({ result: { number: '0x1' } }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['data with an odd number of hex digits', 'eth_getCode', http({ result: '0x1' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['empty hex instead of a hash', 'eth_sendRawTransaction', http({ result: '0x' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['a receipt that is a string', 'eth_getTransactionReceipt', http({ result: '0x' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['an error that is a string', 'eth_call', http({ error: 'secret' }), { kind: 'unreadable', failure: { failure: 'malformed' } }],
  ['an error with a status of 401', 'eth_call', http({ error: { code: -32_001, message: 'no' } }, 401), { kind: 'unreadable', failure: { failure: 'refused', status: 401 } }],
  ['a status with Retry-After', 'eth_call', http('', 429, { retryAfter: '7' }), { kind: 'unreadable', failure: { status: 429, retryAfterMs: 7_000 } }],
  ['a revert of a call that runs no code', 'eth_chainId', http({ error: { code: 3, message: 'execution reverted' } }), { kind: 'unreadable' }],
])('%s in the answer to %s is judged correctly, and the message of a failure does not quote the answer', (_, method, answer, judged) => {
  expect(judgeRpcAnswer(call(method), answer)).toMatchObject(judged);
  const judgement = judgeRpcAnswer(call(method), answer);
  if (judgement.kind === 'unreadable') expect(judgement.failure.message).not.toContain('secret');
});
