/** Random answers of a node to an app: our client must return the requested value or throw one of its own errors. */
import fc from 'fast-check';
import { createKmsClient } from '../../src/client/kms-client.ts';
import { NodeSide, transportToNodes } from '../../test/support/node-side.ts';
import { expected } from './expected.ts';
import { anyJson, changed, changes, jsonOf, tears, torn } from './hostile.ts';
import { target } from './target.ts';

const cases = fc.record({
  call: fc.constantFrom('derive', 'get', 'put', 'list', 'delete', 'nodes'),
  habits: fc.record({ binds: fc.boolean(), seals: fc.boolean(), givesNonces: fc.boolean() }),
  fields: fc.dictionary(fc.constantFrom('app_id', 'path', 'key', 'keys', 'count', 'value', 'length', 'updated_at_ms', 'deleted', 'nonce', 'acks'), anyJson, { maxKeys: 2 }),
  status: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, fc.integer({ min: 100, max: 599 })),
  envelope: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, changes),
  tears: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, tears),
  nonce: fc.option(anyJson, { freq: 6 }),
});

export const nodeAnswers = target({
  name: 'node-answers',
  cases,
  batch: 100,
  async start() {
    return {
      async check({ call, habits, fields, status, envelope, tears: rips, nonce }) {
        const node = new NodeSide('node');
        Object.assign(node.habits, habits);
        if (nonce !== null) node.nonce = () => ({ status: 200, headers: {}, body: Buffer.from(jsonOf({ nonce })) });
        node.bend = async (_, received) => {
          const answer = await node.sealedAnswer(received, fields);
          const body = changed(JSON.parse(Buffer.from(answer.body).toString()), envelope);
          return { ...answer, status: status ?? answer.status, body: torn(Buffer.from(jsonOf(body)), rips) };
        };
        const client = createKmsClient(
          {
            registry: `0x${'00'.repeat(20)}`,
            chain: { source: { readMembership: async () => ({ members: [node.member] }) } },
            identity: { privateKey: '11'.repeat(32), teeScalar: '22'.repeat(48) },
            inEnclave: false,
          },
          { transport: transportToNodes([node]) },
        );
        node.appKey = (await client.identity()).teePubkey;
        const once = { timeoutMs: 1_000, node: node.member.wallet };
        const calls: Readonly<Record<string, () => Promise<unknown>>> = {
          derive: () => client.derive({ path: 'p' }, once),
          get: () => client.get('k', once),
          put: () => client.put({ key: 'k', value: new Uint8Array(3) }, once),
          list: () => client.list({}, once),
          delete: () => client.delete({ key: 'k' }, once),
          nodes: () => client.nodes(),
        };
        const value = await expected(call, calls[call]!);
        const key = (value as { readonly key?: unknown } | null)?.key;
        if (call === 'derive' && value !== null && !(key instanceof Uint8Array && key.length === 32)) throw new Error('a key of the wrong length');
        await client.close();
      },
      close: async () => undefined,
    };
  },
});
