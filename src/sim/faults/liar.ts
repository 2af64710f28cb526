/**
 * Members that lie. A liar passes authentication, because it is a member with its own wallet and keys. It changes its messages or withholds
 * them. Honest nodes must still derive only correct keys, keep their records, and continue to work with the other members.
 */
import { peerAuthMessage } from '../../crypto/messages.ts';
import { toWireEnvelope } from '../../domain/envelope.ts';
import { sleep } from '../../domain/deadline.ts';
import { DependencyError } from '../../domain/errors.ts';
import { memberEndpoint, type Member } from '../../domain/membership.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../domain/ports.ts';
import { generateP384, toDer } from '../../crypto/p384.ts';
import { sealSecret } from '../../crypto/sealed-secret.ts';
import type { SyncHandler } from '../../http/sync-route.ts';
import type { LieKind } from './lie-kinds.ts';
import { Poisoner, type PoisonedMessage, type PoisonerModules } from './poisoner.ts';
import type { SeededRandom } from '../world/seeded.ts';
import { sealWith } from '../world/sim-enclave.ts';
import type { Lies, Life } from '../world/sim-node.ts';

/** Lies that the liar tells in its own requests, not in its answers. */
const ATTACKS: ReadonlySet<string> = new Set<LieKind>([
  'liar: foreign envelope',
  'liar: poisoned delta',
  'liar: future times',
  "liar: others' counts",
  'liar: grown clocks',
  'liar: invented apps',
  'liar: long keys',
  'liar: revoked and asking',
]);

type Inner = Record<string, unknown>;

const HUGE_BYTES = 60 * 1024 * 1024;
/** Delay of each page of an endless snapshot, so that the pages cost the victim much time but little work. Milliseconds. */
const SLOW_PAGE_MS = 1_000;
const DELTA_TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const SIGNATURE_HEADER = 'x-kms-peer-signature';
/** Statuses with which a node refuses a message as a whole because of its content, not because of its sender or its time. */
const SPOILED: ReadonlySet<number | undefined> = new Set([400, 413, 422, 500]);

export interface LiarModules {
  readonly random: SeededRandom;
  readonly onFault: (kind: string) => void;
  /**
   * Called for each key and clock that the liar sends. From then on, the rules expect a write to the key to survive only if the
   * write's clock covers the liar's clock.
   */
  readonly touch: PoisonerModules['touch'];
  readonly appIds: readonly number[];
  readonly transportOf: (life: Life) => Transport;
  /** Stops the liar's instance in the registry, or makes it active again. */
  readonly setMember: (isMember: boolean) => void;
  /** Called when a node refuses a poisoned message as a whole. */
  readonly onSpoiled: (victim: Member) => void;
  /** Checks the answer to a poisoned message: the victim must have accepted its good records. */
  readonly judge: (victim: Member, message: PoisonedMessage, answer: Inner) => void;
}

/** The body of the oversized answers. It is created only once, because it is large. */
let hugeBody: Buffer | null = null;

export class Liar implements Lies {
  readonly kind: LieKind;
  readonly #modules: LiarModules;
  readonly #answers: Inner[] = [];
  readonly #sent: TransportAnswer[] = [];
  readonly #end = new AbortController();
  readonly #poisoner: Poisoner;
  #pages = 0;
  /** Whether the pages of an endless snapshot are empty. */
  readonly #endsEmpty: boolean;
  #otherSignature: string | null = null;

  constructor(kind: LieKind, modules: LiarModules) {
    this.kind = kind;
    this.#modules = modules;
    this.#poisoner = new Poisoner(modules);
    this.#endsEmpty = modules.random.chance(0.5);
  }

  handler(honest: SyncHandler, life: Life): SyncHandler {
    return {
      requiresHmac: (message) => honest.requiresHmac(message),
      snapshotChars: (message) => honest.snapshotChars(message),
      handle: async (sender, message) => this.#bend(message, (await this.#handle(honest, sender, message)) as Inner, life),
    };
  }

  async #handle(honest: SyncHandler, sender: Member, message: Inner): Promise<object> {
    if (this.kind === 'liar: false acknowledgement' && message['type'] === 'delta') {
      const total = Object.values(message['data'] as Record<string, unknown[]>).reduce((sum, records) => sum + records.length, 0);
      const { store_id, next_nonce, request_id } = (await honest.handle(sender, { ...message, data: {} })) as Inner;
      return { status: 'ok', total, merged: total, skipped: 0, rejected: 0, skip_reasons: {}, rejections: [], store_id, next_nonce, request_id };
    }
    return honest.handle(sender, message);
  }

  async #bend(message: Inner, answer: Inner, life: Life): Promise<Inner> {
    const { random } = this.#modules;
    const type = message['type'];
    switch (this.kind) {
      case 'liar: wrong secret': {
        if (type !== 'master_secret_request') return answer;
        const recipient = toDer(String(message['ecdh_pubkey']).toLowerCase());
        return this.#lied({ ...answer, sealed: sealSecret(generateP384(random), recipient, random.bytes(12), random.bytes(32)) });
      }
      case 'liar: garbage seal':
        if (type !== 'master_secret_request') return answer;
        return this.#lied({ ...answer, sealed: { ephemeral_pubkey: life.enclave.teePubkey, encrypted_data: '00'.repeat(48), nonce: '00'.repeat(12) } });
      case 'liar: replayed answer': {
        this.#answers.push(answer);
        const old = this.#answers.length > 1 ? this.#answers.shift() : undefined;
        return old === undefined ? answer : this.#lied(old);
      }
      case 'liar: endless snapshot':
        if (type !== 'snapshot_request') return answer;
        this.#pages += 1;
        await sleep(life.clock, SLOW_PAGE_MS);
        return this.#lied({ ...answer, data: this.#endsEmpty ? {} : this.#poisoner.message(this.kind, life).data, next_cursor: `${String(answer['store_id'])}.${this.#modules.appIds[0]}.1.${this.#pages}` });
      case 'liar: poisoned snapshot': {
        if (type !== 'snapshot_request') return answer;
        const { data } = this.#poisoner.message(this.kind, life);
        return this.#lied({ ...answer, data });
      }
      case 'liar: empty snapshot':
        if (type !== 'snapshot_request') return answer;
        // JSON omits undefined fields. An answer without `complete` and `next_cursor` claims that it is complete.
        return this.#lied({ ...answer, data: {}, sure: true, complete: undefined, next_cursor: undefined });
      case 'liar: false digests':
        if (type !== 'digest_request') return answer;
        return this.#lied({ ...answer, ...this.#falseDigests(answer) });
      case 'liar: false acknowledgement':
        return type === 'delta' ? this.#lied(answer) : answer;
      case 'liar: cross-wired answer':
      case 'liar: unsigned answer':
      case 'liar: huge answer':
      case 'liar: poisoned delta':
      case 'liar: foreign envelope':
      case 'liar: future times':
      case "liar: others' counts":
      case 'liar: silence':
      case 'liar: grown clocks':
      case 'liar: invented apps':
      case 'liar: long keys':
      case 'liar: revoked and asking':
        return answer;
    }
  }

  #lied(answer: Inner): Inner {
    this.#modules.onFault(this.kind);
    return answer;
  }

  #falseDigests(answer: Inner): Inner {
    const hex = (bytes: number): string => Buffer.from(this.#modules.random.bytes(bytes)).toString('hex');
    if ('root' in answer) return { root: hex(16) };
    if ('apps' in answer) return { apps: Object.fromEntries(this.#modules.appIds.map((appId) => [String(appId), hex(16)])) };
    return { buckets: Array.from({ length: 256 }, () => hex(8)) };
  }

  /** Changes the answer on the wire; `#bend` changes the inner answer. */
  answering(answer: TransportAnswer, request: TransportRequest): TransportAnswer | null {
    if (!request.url.endsWith('/sync')) {
      if (this.kind === 'liar: silence' && request.url.endsWith('/nonce')) {
        this.#modules.onFault(this.kind);
        return null;
      }
      return answer;
    }
    if (this.kind === 'liar: silence') {
      this.#modules.onFault(this.kind);
      return null;
    }
    if (this.kind === 'liar: huge answer') {
      this.#modules.onFault(this.kind);
      hugeBody ??= Buffer.alloc(HUGE_BYTES, 0x20);
      return { ...answer, body: hugeBody };
    }
    if (this.kind === 'liar: unsigned answer' && answer.status === 200) return this.#withoutSignature(answer);
    if (this.kind !== 'liar: cross-wired answer') return answer;
    this.#sent.push(answer);
    const other = this.#sent.length > 1 ? this.#sent.shift() : undefined;
    if (other === undefined) return answer;
    this.#modules.onFault(this.kind);
    return other;
  }

  /** Removes the signature, or replaces it with the signature of another answer. */
  #withoutSignature(answer: TransportAnswer): TransportAnswer {
    this.#modules.onFault(this.kind);
    const { [SIGNATURE_HEADER]: signature = '', ...headers } = answer.headers;
    const other = this.#otherSignature;
    this.#otherSignature = signature;
    return { ...answer, headers: other === null || this.#modules.random.chance(0.5) ? headers : { ...headers, [SIGNATURE_HEADER]: other } };
  }

  /** Whether the liar tells its lies in its own requests. */
  get attacks(): boolean {
    return ATTACKS.has(this.kind);
  }

  /** Begins to lie. */
  begin(): void {
    if (this.kind === 'liar: revoked and asking') this.#modules.setMember(false);
  }

  /** Stops lying. */
  end(): void {
    if (this.kind === 'liar: revoked and asking') this.#modules.setMember(true);
    this.#end.abort(new Error('the liar has stopped lying'));
  }

  /** Sends a false request to each of the other members. */
  async attack(life: Life, others: readonly Member[]): Promise<void> {
    if (!life.node.inside.vault.hasSyncKey()) return;
    for (const victim of others) {
      if (this.#end.signal.aborted) return;
      if (this.kind === 'liar: foreign envelope') {
        await this.#askNameless(life, victim);
        continue;
      }
      if (this.kind === 'liar: revoked and asking') {
        await this.#askForSecret(life, victim);
        continue;
      }
      const message = this.#poisoner.message(this.kind, life, victim);
      this.#modules.onFault(this.kind);
      const options = { timeoutMs: DELTA_TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES, signal: this.#end.signal };
      const answer = await life.node.inside.conversation.exchange(victim, { type: 'delta', data: message.data }, options).catch((error: unknown) => {
        if (SPOILED.has((error as { readonly status?: number }).status)) this.#modules.onSpoiled(victim);
        return null;
      });
      if (answer !== null) this.#modules.judge(victim, message, answer);
    }
  }

  /** Asks for the secret, although the liar is no longer a member. */
  async #askForSecret(life: Life, victim: Member): Promise<void> {
    const { publicKeyDer } = generateP384(this.#modules.random);
    const options = { timeoutMs: DELTA_TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES, signal: this.#end.signal };
    this.#modules.onFault(this.kind);
    await life.node.inside.conversation.exchange(victim, { type: 'master_secret_request', ecdh_pubkey: publicKeyDer }, options).catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
    });
  }

  /**
   * Asks for the secret without naming the liar's wallet in the request. The sender's key in the envelope does not belong to any member
   * (protocol.md §9.16).
   */
  async #askNameless(life: Life, victim: Member): Promise<void> {
    const { random, onFault, transportOf } = this.#modules;
    const transport = transportOf(life);
    const options = { timeoutMs: DELTA_TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES, signal: this.#end.signal };
    const foreign = generateP384(random);
    try {
      const nonced = await transport.request({ method: 'GET', url: memberEndpoint(victim.url, '/nonce'), ...options });
      const { nonce } = JSON.parse(Buffer.from(nonced.body).toString()) as { readonly nonce?: string };
      const timestamp = Math.floor(life.clock.nowMs() / 1_000);
      const signature = await life.enclave.sign(peerAuthMessage(nonce ?? '', victim.wallet, timestamp), this.#end.signal);
      const inner = JSON.stringify({ type: 'master_secret_request', ecdh_pubkey: foreign.publicKeyDer });
      const envelope = sealWith(foreign, victim.teePubkey, inner, random.bytes(12));
      onFault(this.kind);
      await transport.request({
        method: 'POST',
        url: memberEndpoint(victim.url, '/sync'),
        headers: { 'content-type': 'application/json', 'x-kms-signature': signature, 'x-kms-timestamp': String(timestamp), 'x-kms-nonce': nonce ?? '' },
        body: JSON.stringify(toWireEnvelope(envelope)),
        ...options,
      });
    } catch (error) {
      if (!(error instanceof DependencyError || error instanceof SyntaxError)) throw error;
    }
  }
}
