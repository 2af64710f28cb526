/** The words that nodes send must be exactly those in the protocol (docs/protocol.md): none may be missing or added. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { RefusalError, type ErrorCode } from '../../../src/domain/errors.ts';
import type { ReadinessState } from '../../../src/domain/readiness.ts';
import { REASONS } from '../../../src/domain/reasons.ts';
import { errorAnswer } from '../../../src/http/error-table.ts';

const PROTOCOL = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'protocol.md'), 'utf8').split('\n');

/** The text of the protocol from `beginning` up to `end`. */
function paragraph(beginning: string, end: string): string {
  const found = PROTOCOL.filter((line) => line.startsWith(beginning));
  expect(found).toHaveLength(1);
  const [text = ''] = found;
  expect(text).toContain(end);
  return text.slice(0, text.indexOf(end));
}

const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

test('the reasons why a node is not ready are exactly those in §1', () => {
  const reasons = quoted(paragraph('Reasons, as operators know them: ', 'Details may follow a reason'));
  expect(reasons.length).toBeGreaterThan(0);
  expect(Object.values(REASONS).toSorted()).toEqual(reasons.toSorted());
});

describe('an error', () => {
  /** Every error code that a node sends. The type checker keeps this list complete. */
  const CODES: Readonly<Record<ErrorCode, 'of the contract' | 'of this node'>> = {
    bad_request: 'of the contract',
    unauthorized: 'of the contract',
    forbidden: 'of the contract',
    not_found: 'of the contract',
    method_not_allowed: 'of the contract',
    payload_too_large: 'of the contract',
    // The code for a body with a content coding (RFC 9110 §15.5.16), which the protocol does not cover.
    unsupported_media_type: 'of this node',
    rate_limited: 'of the contract',
    internal_error: 'of the contract',
    not_replicated: 'of the contract',
    insufficient_storage: 'of the contract',
    service_unavailable: 'of the contract',
  };

  const table = paragraph('Errors are always ', 'No stack');
  const documented = [...table.matchAll(/(\d{3}) (`[a-z_]+`(?: or `[a-z_]+`)*)/g)].flatMap(([, status, words = '']) => quoted(words).map((code) => [code, Number(status)] as const));

  test('has a code from §2, or a code that only this node uses', () => {
    const known = Object.entries(CODES).flatMap(([code, owner]) => (owner === 'of the contract' ? [code] : []));
    expect(known.toSorted()).toEqual(documented.map(([code]) => code).toSorted());
  });

  test.each(documented)('with the code %s has the status from §2: %i', (code, status) => {
    const answer = errorAnswer(new RefusalError(code as ErrorCode, 'a message'));
    expect([answer.body.code, answer.status]).toEqual([code, status]);
  });
});

test('the states of readiness are exactly those in §10', () => {
  const STATES: Readonly<Record<ReadinessState, true>> = { ineligible: true, bootstrapping: true, 'syncing-secret': true, ready: true };
  expect(Object.keys(STATES)).toEqual(quoted(paragraph('**Readiness** is one of ', '; `/status` gains')));
});
