/** What every answer of a node must be like (protocol.md §2), regardless of what it says. */
import { expect } from '@jest/globals';
import type { RawAnswer } from './raw-caller.ts';

/** Traces of a stack, of a file of the project, or of where it lies. */
const INTERNALS = /\bat .+:\d+:\d+|node_modules|node:internal|\.[cm]?[jt]s\b|\/src\/|Error:|\/home\/|\/tmp\//;

/** Nothing of the node's inside shows. */
export function expectNothingInternal(answer: RawAnswer): void {
  expect(answer.headers).not.toHaveProperty('x-powered-by');
  expect(answer.headers).not.toHaveProperty('server');
  expect(`${JSON.stringify(answer.headers)} ${answer.text}`).not.toMatch(INTERNALS);
}

/** An error in the one form: code and message, and when to come back where that helps. Gives the message. */
export function expectError(answer: RawAnswer, status: number, code: string): string {
  expectNothingInternal(answer);
  expect({ status: answer.status, ...(answer.json as object) }).toEqual({ status, code, message: expect.stringMatching(/\S/) });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  if (status === 429 || status === 503) expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
  return (answer.json as { message: string }).message;
}
