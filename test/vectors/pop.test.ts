/** protocol.md §3: proofs of apps and peers, signatures of answers, spellings of a wallet. */
import { expect } from '@jest/globals';
import { NonceBook } from '../../src/auth/nonce-book.ts';
import { verifyProof, type ProofKind } from '../../src/auth/proof.ts';
import { appAuthMessage, peerAuthMessage, responseMessage } from '../../src/crypto/messages.ts';
import { recoverEip191, signEip191, walletOfPrivateKey } from '../../src/crypto/signature.ts';
import { RefusalError } from '../../src/domain/errors.ts';
import { parseWallet, type Wallet } from '../../src/domain/ids.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface Issued {
  readonly nonce: string;
  readonly at: number;
}

interface Expectation {
  readonly accept?: boolean | null;
  readonly wallet?: Wallet;
  readonly signature?: string;
}

interface ProofCase extends VectorCase {
  readonly kind: ProofKind;
  readonly now: number;
  readonly node_wallet: Wallet;
  readonly issued: Issued[];
  readonly signed_message?: string;
  readonly headers: Record<string, string>;
  readonly expect: Expectation;
}

interface SequenceCase extends VectorCase {
  readonly kind: ProofKind;
  readonly node_wallet: Wallet;
  readonly issued: Issued[];
  readonly steps: { readonly step: string; readonly now: number; readonly headers: Record<string, string>; readonly expect: Expectation }[];
}

interface AnswerCase extends VectorCase {
  readonly caller_signature: string;
  readonly node_wallet: Wallet;
  readonly message: string;
  readonly signature?: string;
  readonly expect: Expectation;
}

interface WalletCase extends VectorCase {
  readonly input: string;
  readonly expect: Wallet | null;
}

interface PopFile {
  readonly keys: Readonly<Record<string, { readonly private_key: string; readonly address: Wallet }>>;
  readonly cases: ProofCase[];
  readonly sequences: SequenceCase[];
  readonly answer_signatures: AnswerCase[];
  readonly wallet_forms: WalletCase[];
}

/** Decisions where other implementations disagree: the stricter result, except that a wallet without 0x is valid for peers and apps. */
const DECIDED: Readonly<Record<string, boolean>> = Object.fromEntries(
  ['app', 'peer'].flatMap((kind) => [
    [`${kind}: wallet header empty`, false],
    [`${kind}: signature with 0X`, false],
    [`${kind}: signature v = 37/38 (EIP-155 style)`, false],
    [`${kind}: high-s twin`, false],
    [`${kind}: timestamp with leading zero, signed as sent`, false],
    [`${kind}: timestamp with leading zero, signed as number`, false],
    [`${kind}: timestamp with plus, signed as sent`, false],
    [`${kind}: timestamp with underscore, signed as sent`, false],
    [`${kind}: wallet header without 0x`, true],
    [`${kind}: wallet header with 0X`, false],
  ]),
);

class Verifier {
  readonly #nonces: NonceBook;
  #nowSeconds = 0;

  constructor(issued: readonly Issued[]) {
    const clock = { nowMs: () => this.#nowSeconds * 1000, monotonicMs: () => this.#nowSeconds * 1000 };
    this.#nonces = new NonceBook({ ttlSeconds: 120 }, { clock, random: new SeededRandom('pop') });
    for (const { nonce, at } of issued) this.#nonces.note(nonce, at);
  }

  verify(kind: ProofKind, now: number, nodeWallet: Wallet, headers: Record<string, string>): Wallet | null {
    this.#nowSeconds = now;
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    try {
      const clock = { nowMs: () => this.#nowSeconds * 1000 };
      return verifyProof(kind, lower, nodeWallet, 120, { clock, nonces: this.#nonces }).wallet;
    } catch (error) {
      if (error instanceof RefusalError && error.code === 'unauthorized') return null;
      throw error;
    }
  }
}

describeVectors<PopFile>('pop.json', ({ file, cases }) => {
  cases(file.cases, 'proof', (vector) => {
    const wallet = new Verifier(vector.issued).verify(vector.kind, vector.now, vector.node_wallet, vector.headers);
    const accept = vector.open === true ? DECIDED[vector.name!] : vector.expect.accept;
    expect(wallet !== null).toBe(accept ?? wallet !== null);
    if (vector.open !== true && vector.expect.wallet !== undefined) {
      expect(wallet).toBe(vector.expect.wallet);
      const message = vector.kind === 'app' ? appAuthMessage : peerAuthMessage;
      const [nonce, timestamp] = ['nonce', 'timestamp'].map((name) => vector.headers[`x-${vector.kind === 'app' ? 'app' : 'kms'}-${name}`]!);
      expect(message(nonce!, vector.node_wallet, timestamp!)).toBe(vector.signed_message);
    }
  });

  cases(file.sequences, 'sequence', (vector) => {
    const verifier = new Verifier(vector.issued);
    for (const step of vector.steps) {
      const accepted = verifier.verify(vector.kind, step.now, vector.node_wallet, step.headers) !== null;
      // A step whose result the vectors leave open (decision 6) uses a nonce that an earlier step sent with a stale timestamp. That earlier
      // step was refused, so the nonce is still valid.
      expect({ step: step.step, accepted }).toEqual({ step: step.step, accepted: step.expect.accept ?? true });
    }
  });

  cases(file.answer_signatures, 'answer signature', (vector) => {
    const message = responseMessage(vector.caller_signature, vector.node_wallet);
    const node = Object.values(file.keys).find(({ address }) => address === vector.node_wallet)!;
    const key = Buffer.from(node.private_key, 'hex');
    expect(walletOfPrivateKey(key)).toBe(vector.node_wallet);
    if (vector.expect.signature !== undefined) {
      expect(message).toBe(vector.message);
      expect(signEip191(key, message)).toBe(vector.expect.signature);
    }
    const recovered = recoverEip191(message, vector.signature ?? vector.expect.signature!);
    expect(recovered === vector.node_wallet).toBe(vector.expect.accept);
  });

  cases(file.wallet_forms, 'wallet form', (vector) => {
    expect(parseWallet(vector.input)).toBe(vector.expect);
  });
});
