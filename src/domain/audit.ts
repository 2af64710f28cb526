/** What a node's audit is told (docs/audit.md): who asked for what, and what it came to. No key, path or value is in it. */
import type { AppId, Wallet } from './ids.ts';

/** `snapshot`: one page of one. `set_aside`: the chain stopped showing the secret that served. */
export type AuditOperation = 'start' | 'stop' | 'derive' | 'put' | 'delete' | 'hand_over' | 'snapshot' | 'claim' | 'install' | 'set_aside';

export interface AuditEvent {
  readonly operation: AuditOperation;
  /** The caller, or the member that a secret came from; null for what the node does by itself. */
  readonly wallet: Wallet | null;
  readonly appId: AppId | null;
  /** The keyed hash of a path or key (`Vault.auditTag`), or the public hash of a secret; null where there is neither. */
  readonly target: string | null;
  /** `ok`, or the code of the refusal. */
  readonly outcome: string;
}

export interface Audit {
  /** Takes an event and never waits. To be called once the answer has gone. */
  record(event: AuditEvent): void;
}
