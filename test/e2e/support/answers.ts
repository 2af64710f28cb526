/** Rules for every answer from a node, regardless of its content (protocol.md §2). */
import { expect } from '@jest/globals';
import type { RawAnswer } from './raw-caller.ts';

/** Matches a stack frame, a file name of the project, or a path. */
const INTERNALS = /\bat .+:\d+:\d+|node_modules|node:internal|\.[cm]?[jt]s\b|\/src\/|Error:|\/home\/|\/tmp\//;

/** Expects that the answer shows no internals of the node. */
export function expectNothingInternal(answer: RawAnswer): void {
  expect(answer.headers).not.toHaveProperty('x-powered-by');
  expect(answer.headers).not.toHaveProperty('server');
  expect(`${JSON.stringify(answer.headers)} ${answer.text}`).not.toMatch(INTERNALS);
}

/** Expects the error body that all routes share (code and message), and Retry-After if the status needs it. @returns the message */
export function expectError(answer: RawAnswer, status: number, code: string): string {
  expectNothingInternal(answer);
  expect({ status: answer.status, ...(answer.json as object) }).toEqual({ status, code, message: expect.stringMatching(/\S/) });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  if (status === 429 || status === 503) expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
  return (answer.json as { message: string }).message;
}
