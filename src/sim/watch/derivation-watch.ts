/** Checks that derived keys never change: from the same secret, app, path and context, every node must always derive the same key. */
import { createHash } from 'node:crypto';
import type { Checks, Report } from './violation.ts';

export class DerivationWatch {
  readonly #report: Report;
  readonly #checks: Checks;
  /** The digest of each derived key. The index is the hash of the secret, followed by what was asked for (app, path and context). */
  readonly #keys = new Map<string, string>();
  readonly #secrets = new Map<string, Set<string>>();

  constructor(report: Report, checks: Checks) {
    this.#report = report;
    this.#checks = checks;
  }

  /**
   * @param secretHash the hash of the secret that the node uses
   * @param resets how many times the owner has reset the hash; each reset allows one more secret
   */
  note(node: string, secretHash: string, question: string, key: Uint8Array, resets: number): void {
    this.#checks.note('a derived key never changes');
    const digest = createHash('sha256').update(key).digest('hex');
    const id = `${secretHash} ${question}`;
    const known = this.#keys.get(id);
    if (known !== undefined && known !== digest) this.#report('a derived key never changes', `${node} derives a different key for ${question}`, node);
    this.#keys.set(id, digest);
    const secrets = this.#secrets.get(question) ?? new Set<string>();
    secrets.add(digest);
    this.#secrets.set(question, secrets);
    if (secrets.size > resets + 1) this.#report('a derived key never changes', `${question} has ${secrets.size} keys after ${resets} resets`);
  }
}
