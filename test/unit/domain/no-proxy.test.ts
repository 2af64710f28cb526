/**
 * Which hosts `NO_PROXY` matches (protocol.md §7, §8): names, addresses, ranges and ports. An invalid entry is refused, and the error
 * quotes it.
 */
import { describe, expect, test } from '@jest/globals';
import { parseNoProxy } from '../../../src/domain/no-proxy.ts';

const DIRECT: readonly (readonly [string, string])[] = [
  ['*', 'https://anything.test'],
  ['example.test', 'https://example.test'],
  ['example.test', 'https://a.b.example.test'],
  ['Example.TEST', 'https://EXAMPLE.test.'],
  ['.example.test', 'https://a.example.test'],
  ['*.example.test', 'https://a.example.test'],
  ['example.test:443', 'https://example.test'],
  ['example.test:80', 'http://example.test'],
  ['example.test:8080', 'http://example.test:8080'],
  ['localhost', 'http://localhost:18000'],
  ['other.test,  example.test', 'https://example.test'],
  ['other.test example.test', 'https://example.test'],
  ['127.0.0.1', 'http://127.0.0.1:9'],
  ['127.0.0.0/8', 'http://127.9.9.9'],
  ['10.0.0.0/8', 'http://10.255.0.1'],
  ['0.0.0.0/0', 'http://93.184.215.14'],
  ['10.0.0.0/8:8080', 'http://10.1.2.3:8080'],
  ['[::1]', 'http://[::1]:8000'],
  ['::1', 'http://[::1]:8000'],
  ['[::1]:8000', 'http://[::1]:8000'],
  ['fd00::/8', 'http://[fd12::1]'],
  ['[fd00::]/8', 'http://[fd12::1]'],
  ['10.0.0.0/8', 'http://[::ffff:10.1.1.1]'],
];

const PROXIED: readonly (readonly [string, string])[] = [
  ['', 'http://example.test'],
  [' , ', 'http://example.test'],
  ['example.test', 'http://other.test'],
  ['example.test', 'http://notexample.test'],
  ['.example.test', 'http://example.test'],
  ['*.example.test', 'http://example.test'],
  ['example.test:443', 'http://example.test'],
  ['127.0.0.1', 'http://127.0.0.2'],
  ['127.0.0.0/8', 'http://128.0.0.1'],
  ['10.0.0.0/8', 'http://ten.test'],
  ['[::1]:8000', 'http://[::1]:8001'],
  ['fd00::/8', 'http://[fe00::1]'],
];

describe('the list', () => {
  test.each(DIRECT)('"%s" matches %s', (text, url) => {
    expect(parseNoProxy(text)(new URL(url))).toBe(true);
  });

  test.each(PROXIED)('"%s" does not match %s', (text, url) => {
    expect(parseNoProxy(text)(new URL(url))).toBe(false);
  });
});

test.each([
  ['http://example.test', 'http://example.test'],
  ['example.test,10.0.0.0/33', '10.0.0.0/33'],
  ['10.0.0.*', '10.0.0.*'],
  ['999.1.1.1', '999.1.1.1'],
  ['10.0.0', '10.0.0'],
  ['fd00::/129', 'fd00::/129'],
  ['[::1', '[::1'],
  ['example.test:0', 'example.test:0'],
  ['example.test:70000', 'example.test:70000'],
  ['example.test:http', 'example.test:http'],
  ['a*b.test', 'a*b.test'],
  ['user@example.test', 'user@example.test'],
  ['-example.test', '-example.test'],
])('"%s" is refused, and the error quotes the invalid entry', (text, entry) => {
  expect(() => parseNoProxy(text)).toThrow(`must list names, addresses or ranges, but "${entry}" is none of these`);
});
