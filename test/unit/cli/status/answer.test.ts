/** The parsers of nodes' answers accept missing and unknown fields, and replace control characters in all text. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nodeUrl } from '../../../../src/cli/node-url.ts';
import { parseNodes, parseStatus } from '../../../../src/cli/status/answer.ts';

const WALLET = `0x${'aB'.repeat(20)}`;

describe('a status', () => {
  test('from an older node is read, and the fields that it lacks become null', () => {
    const read = parseStatus({
      node: { tee_wallet: WALLET, node_url: 'http://a', service_available: true, master_secret_initialized: true },
      cluster: { kms_app_id: 49, registry_address: '0xABC', total_instances: 3 },
      data_store: { total_keys: 2 },
    });
    expect(read).toMatchObject({
      node: { service_available: true, tee_wallet: WALLET.toLowerCase() },
      readiness: { state: null, reason: null, since_ms: null, next_tick_in_ms: null, last_tick: { outcome: null } },
      cluster: { kms_app_id: 49, registry_address: '0xabc', total_instances: 3, membership_block: null, master_secret_hash: null },
      replication: { peers: [] },
      data_store: { total_keys: 2, total_bytes: null },
    });
  });

  test('contains no control characters, and its texts are cut at the limit', () => {
    const read = parseStatus({
      node: { service_available: false },
      readiness: { state: 'ready\u001b[31m', reason: 'x'.repeat(100_000) },
      cluster: { master_secret_hash: '\u202e0x' },
      replication: { peers: [{ wallet: 'no wallet', behind_by: { records: 1, bytes: 'many' }, last_error: 'a\r\nb' }, 7] },
    })!;
    expect(read.readiness.state).toBe('ready?[31m');
    expect(read.readiness.reason).toBe(`${'x'.repeat(198)}..`);
    expect(read.cluster.master_secret_hash).toBe('?0x');
    expect(read.replication.peers[0]).toMatchObject({ wallet: null, behind_by: { records: 1, bytes: null }, last_error: 'a??b' });
  });

  test.each([[null], [7], ['ready'], [[]], [{}], [{ node: {} }], [{ node: { service_available: 'yes' } }]])('is not read from %j', (body) =>
    expect(parseStatus(body)).toBeNull(),
  );

  test('is read if it has the field service_available, regardless of its other fields', () => {
    fc.assert(fc.property(fc.object(), (rest) => {
      const read = parseStatus({ ...rest, node: { service_available: true } });
      expect(read?.node.service_available).toBe(true);
    }));
  });
});

describe('a list of members', () => {
  const listed = (...urls: unknown[]) => ({ operators: urls.map((url) => ({ operator: WALLET, instance: { instance_url: url } })) });

  test('has its wallets and URLs normalized, and invalid entries are left out', () => {
    expect(parseNodes(listed('https://A.example:8443/kms//', 7, 'ftp://x', 'http://u:p@x', 'http://a b'))).toEqual([
      { url: 'https://a.example:8443/kms', wallet: WALLET.toLowerCase() },
    ]);
    expect(parseNodes({ operators: [{ operator: 'unknown', instance: { instance_url: 'http://a' } }, null, {}] })).toEqual([{ url: 'http://a', wallet: null }]);
  });

  test.each([[null], [[]], [{}], [{ operators: {} }]])('is not read from %j', (body) => expect(parseNodes(body)).toBeNull());
});

test.each([
  ['http://127.0.0.1:8000/', 'http://127.0.0.1:8000'],
  ['node-1.example:8000', 'http://node-1.example:8000'],
  ['localhost', 'http://localhost'],
  ['[::1]:8000', 'http://[::1]:8000'],
  ['https://h/kms/', 'https://h/kms'],
  ['https://user:secret@h', null],
  ['http://h/?token=1', null],
  ['file:///etc/passwd', null],
  ['http://', null],
  ['', null],
])('the URL %j is read as %j', (given, url) => expect(nodeUrl(given)).toBe(url));
