/** A node as apps see it, behind the Transport port, with a real enclave; every answer may be bent by the test. */
import { createHash } from 'node:crypto';
import { responseMessage } from '../../src/crypto/messages.ts';
import { parseEnvelope, toWireEnvelope } from '../../src/domain/envelope.ts';
import { DependencyError } from '../../src/domain/errors.ts';
import type { Member } from '../../src/domain/membership.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/domain/ports.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { memberOf } from './members.ts';
import { answerOf, PEER_NONCE } from './peer-side.ts';
import { SeededRandom } from './seeded-random.ts';

/** What all nodes of these tests derive for a path. */
export function keyOf(path: string, length: number): Buffer {
  return Buffer.alloc(length, createHash('sha256').update(path).digest());
}

export interface AppRequest {
  readonly request: TransportRequest;
  readonly inner: Record<string, unknown>;
}

export type Bend = (answer: TransportAnswer, received: AppRequest, node: NodeSide) => TransportAnswer | Promise<TransportAnswer>;

export class NodeSide {
  readonly enclave: ReturnType<typeof inProcessEnclave>;
  readonly member: Member;
  readonly requests: TransportRequest[] = [];
  readonly received: AppRequest[] = [];
  nonce: (request: TransportRequest) => TransportAnswer | Promise<TransportAnswer> = () => answerOf(200, { nonce: PEER_NONCE });
  bend: Bend = (answer) => answer;

  constructor(name: string) {
    const clock = { nowMs: () => 0 };
    this.enclave = inProcessEnclave({ info: 'enclaver-ecdh-aes256gcm-v1' }, { random: new SeededRandom(name), clock });
    const { wallet, teePubkey } = this.enclave.emulated;
    this.member = memberOf(wallet, teePubkey, `https://${name}.test`);
  }

  async serve(request: TransportRequest): Promise<TransportAnswer> {
    this.requests.push(request);
    if (request.url.endsWith('/nonce')) return this.nonce(request);
    const inner = JSON.parse(await this.enclave.decrypt(parseEnvelope(JSON.parse(request.body ?? ''))!)) as Record<string, unknown>;
    const received = { request, inner };
    this.received.push(received);
    return this.bend(await this.sealedAnswer(received, {}), received, this);
  }

  /** The right answer but for these fields. */
  async sealedAnswer({ request, inner }: AppRequest, changes: object): Promise<TransportAnswer> {
    const path = inner['path'] as string;
    const length = inner['length'] as number;
    const answer = { app_id: 100, path, key: keyOf(path, length).toString('base64'), length, ...changes };
    const sender = parseEnvelope(JSON.parse(request.body ?? ''))!.senderPubkey;
    const signature = await this.enclave.sign(responseMessage(request.headers!['x-app-signature']!, this.member.wallet));
    return answerOf(200, toWireEnvelope(await this.enclave.encrypt(JSON.stringify(answer), sender)), {
      'x-kms-response-signature': signature,
    });
  }
}

/** A transport that reaches these nodes; to others nobody answers. */
export function transportToNodes(nodes: readonly NodeSide[]): Transport {
  return {
    async request(request) {
      const node = nodes.find(({ member }) => request.url.startsWith(`${member.url}/`));
      if (node === undefined) throw new DependencyError('peer', 'unreachable', 'the peer cannot be reached');
      return node.serve(request);
    },
  };
}
