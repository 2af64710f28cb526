/**
 * Records a request in the audit log (docs/audit.md) when its answer has been sent or its caller has hung up. It records a request
 * regardless of its outcome, but only if its caller is authenticated, because strangers could otherwise push important entries out of the
 * log.
 */
import type { Response } from 'express';
import type { AuthenticatedPeer } from '../auth/authenticator.ts';
import { derivationInfo } from '../crypto/derivation.ts';
import type { Audit, AuditEvent, AuditOperation, TagSource } from '../domain/audit.ts';
import type { ErrorCode } from '../domain/errors.ts';
import { MAX_DERIVE_INFO_BYTES, MAX_HELD_KEY_BYTES } from '../domain/limits.ts';
import type { AppLocals, Operation } from './bound-request.ts';
import type { SealedHandler, SealedLocals } from './sealed-exchange.ts';

/**
 * What is known about a request when it ends. Only `caller` is certain, because any middleware after authentication may have refused the
 * request.
 */
type Known<Locals extends SealedLocals> = Pick<Locals, 'caller'> & Partial<Locals>;

/** The types of peers' messages that are audited, each with its operation. */
const PEER_OPERATIONS: ReadonlyMap<unknown, AuditOperation> = new Map([
  ['master_secret_request', 'hand_over'],
  ['snapshot_request', 'snapshot'],
]);

/** Audits requests from apps. Runs after authentication. @param audit if null, nothing is recorded */
export function auditApp(audit: Audit | null, operation: Operation): SealedHandler<AppLocals> {
  return audited<AppLocals>(audit, ({ caller: { appId, wallet }, inner }, outcome) => ({ operation, wallet, appId, target: targetOf(operation, inner), outcome }));
}

/** Audits messages from peers. Runs after authentication. @param audit if null, nothing is recorded */
export function auditPeer<Locals extends SealedLocals<AuthenticatedPeer>>(audit: Audit | null): SealedHandler<Locals> {
  return audited<Locals>(audit, ({ caller, inner }, outcome) => {
    const operation = PEER_OPERATIONS.get(inner?.['type']);
    return operation === undefined ? null : { operation, wallet: caller.member.wallet, appId: null, target: null, outcome };
  });
}

/** @param eventOf returns null for a request that is not audited; must not throw */
function audited<Locals extends SealedLocals>(audit: Audit | null, eventOf: (known: Known<Locals>, outcome: string) => AuditEvent | null): SealedHandler<Locals> {
  if (audit === null) return (_request, _response, next) => next();
  // All requests share this listener, which is added with `on`. Using `once`, or a listener for each request, would cost more than the
  // recording itself.
  function record(this: Response<unknown, Locals>): void {
    const event = eventOf(this.locals, outcomeOf(this));
    if (event !== null) audit?.record(event);
  }
  return (_request, response, next) => {
    // If the caller hung up during authentication, `close` has already been emitted.
    if (response.closed) record.call(response);
    else response.on('close', record);
    next();
  };
}

/** The requested path or key; null if the request has no valid one. */
function targetOf(operation: Operation, inner: Record<string, unknown> = {}): TagSource | null {
  const { path, context = '', key } = inner;
  if (operation !== 'derive') return taggable(key, MAX_HELD_KEY_BYTES) ? { kind: 'data', text: key } : null;
  if (!taggable(path, MAX_DERIVE_INFO_BYTES) || !(context === '' || taggable(context, MAX_DERIVE_INFO_BYTES))) return null;
  return { kind: 'derive', text: derivationInfo(path, context) };
}

/** Whether the string gets a tag. A string longer than `maxChars` is refused anyway, so it gets none. */
function taggable(text: unknown, maxChars: number): text is string {
  return typeof text === 'string' && text !== '' && text.length <= maxChars;
}

/** `ok`, the code of a refusal, or `unanswered` if the caller hung up before the answer. */
function outcomeOf(response: Pick<Response, 'headersSent' | 'statusCode' | 'locals'>): string {
  if (!response.headersSent) return 'unanswered';
  const { errorCode } = response.locals as { readonly errorCode?: ErrorCode };
  if (errorCode !== undefined) return errorCode;
  // A sealed refusal has no `errorCode`, and it is always a 404 (protocol.md §10, Bound to the request).
  return response.statusCode === 404 ? 'not_found' : 'ok';
}
