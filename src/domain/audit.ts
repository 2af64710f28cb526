/** Events for a node's audit log (docs/audit.md): who asked for what, and the outcome. An entry of the log contains no key, path or value. */
import type { AppId, Wallet } from './ids.ts';

/** What was done. `snapshot`: a peer asked for one page. `set_aside`: the chain no longer shows a secret's hash, or that hash was reset. */
export type AuditOperation = 'start' | 'stop' | 'derive' | 'put' | 'delete' | 'hand_over' | 'snapshot' | 'claim' | 'install' | 'set_aside';

/** What an audit tag stands for: the info string of a derivation, or a key in an app's store. */
export type AuditTagKind = 'derive' | 'data';

/** A path or key. The log entry contains only the tag of this text as its target (`Vault.auditTag`). */
export interface TagSource {
  readonly kind: AuditTagKind;
  readonly text: string;
}

export interface AuditEvent {
  readonly operation: AuditOperation;
  /** The caller, or the member that a secret came from; for a claim, this node's own wallet; otherwise null. */
  readonly wallet: Wallet | null;
  readonly appId: AppId | null;
  /** A path or key, of which the log keeps only a keyed hash; or the public hash of a secret; null if there is neither. */
  readonly target: string | TagSource | null;
  /** `ok`, or the code of the refusal. For a claim: the kind of its report, or the code of its error. */
  readonly outcome: string;
}

export interface Audit {
  /** Records an event without waiting. For a request, call this after the answer has been sent. */
  record(event: AuditEvent): void;
}
