/**
 * The audit log of a node (docs/audit.md): its trail, its checkpoints, and the events that do not come from a request. A node without an
 * audit token keeps no audit log, because no one could read it.
 */
import { Checkpoints } from '../audit/checkpoints.ts';
import { AUDIT_LIMITS, AuditTrail } from '../audit/trail.ts';
import type { Config } from '../config/settings.ts';
import type { Audit, AuditEvent, AuditTagKind } from '../domain/audit.ts';
import { ExpectedError } from '../domain/errors.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { AppId, Wallet } from '../domain/ids.ts';
import type { Clock, Enclave, Log, Random } from '../domain/ports.ts';
import type { AuditModules } from '../http/audit-routes.ts';
import type { NodeJobsModules } from './jobs.ts';
import type { SecretChange } from './master-secret.ts';

export interface NodeAuditModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly enclave: Pick<Enclave, 'sign'>;
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note'>;
  /** This node's wallet; null until the enclave has answered. */
  readonly wallet: () => Wallet | null;
  /** The tag of a path or key of an app; null while there is no serving secret (`Vault.auditTag`). */
  readonly tagOf: (kind: AuditTagKind, appId: AppId, text: string) => string | null;
}

export interface EndedAudit {
  /** Resolves when a page with the last entry has been sent to a reader. */
  readonly whenRead: Promise<void>;
}

export class NodeAudit {
  readonly audit: Audit;
  /** For `GET /audit`. */
  readonly http: AuditModules;
  readonly #trail: AuditTrail;
  readonly #checkpoints: Checkpoints;
  readonly #modules: NodeAuditModules;
  readonly #endRead = Promise.withResolvers<undefined>();
  #hasEnded = false;

  /** Creates the audit log of a node. @returns null when `AUDIT_TOKEN_SHA256` is unset */
  static of({ auditTokenHash }: Pick<Config, 'auditTokenHash'>, modules: NodeAuditModules): NodeAudit | null {
    return auditTokenHash === undefined ? null : new NodeAudit(auditTokenHash, modules);
  }

  private constructor(tokenHash: Uint8Array, modules: NodeAuditModules) {
    const { failures, log } = modules;
    const trail = new AuditTrail(AUDIT_LIMITS, { ...modules, onUnsigned: () => this.#checkpoints.noteUnsigned() });
    this.#checkpoints = new Checkpoints({ ...modules, trail, onFailure: (error) => void failures.note(log, 'a checkpoint of the audit log', error) });
    this.#trail = trail;
    this.#modules = modules;
    this.audit = trail;
    this.http = { tokenHash, reader: trail, onSent: (after, limit) => this.#noteSent(after, limit) };
  }

  /** Number of entries that were dropped, so that no reader can fetch them now. */
  get dropped(): number {
    return this.#trail.dropped;
  }

  /** Writes the waiting events into the chain. Call it before the key of the tags changes. */
  writeWaiting(): void {
    this.#trail.writeWaiting();
  }

  noteSecret({ operation, hash, from }: SecretChange): void {
    this.#noteOwn({ operation, wallet: from, target: hash, outcome: 'ok' });
  }

  /** Wraps a chain so that the audit log records each claim, regardless of its outcome. */
  noting(chain: NodeJobsModules['chain']): NodeJobsModules['chain'] {
    return {
      readHeadHash: (signal) => chain.readHeadHash(signal),
      hasClaimed: (hash, signal) => chain.hasClaimed(hash, signal),
      claim: async (hash, signal) => {
        const note = (outcome: string): void => this.#noteOwn({ operation: 'claim', wallet: this.#modules.wallet(), target: hash, outcome });
        try {
          const report = await chain.claim(hash, signal);
          note(report.kind);
          return report;
        } catch (error) {
          // The claim may have been sent in spite of the error.
          note(error instanceof ExpectedError ? error.code : 'failed');
          throw error;
        }
      },
    };
  }

  /**
   * Records the stop, makes the last checkpoint, and logs the number and hash of the last entry. Later events are not recorded, because they
   * belong to requests that were cut off and whose results reach no one. Never rejects.
   */
  async end(): Promise<EndedAudit> {
    this.#noteOwn({ operation: 'stop', wallet: null, target: null, outcome: 'ok' });
    this.#trail.end();
    const isSigned = await this.#checkpoints.end();
    const { sequence, hash } = this.#trail.last;
    this.#modules.log.info('the audit log has ended', { sequence, hash, signed: isSigned, dropped: this.dropped });
    this.#hasEnded = true;
    return { whenRead: this.#endRead.promise };
  }

  #noteSent(after: number, limit: number): void {
    if (this.#hasEnded && this.#trail.hasLast(after, limit)) this.#endRead.resolve(undefined);
  }

  #noteOwn(event: Omit<AuditEvent, 'appId'>): void {
    this.audit.record({ ...event, appId: null });
  }
}
