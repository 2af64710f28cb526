/** `/kms/data` (protocol.md §2, §3, §10): checks the inner bodies, and reads, lists, writes and deletes the keys of an app. */
import { z } from 'zod';
import { CANONICAL_BASE64_PATTERN, decodeBase64, encodeBase64 } from '../crypto/base64.ts';
import type { Vault } from '../crypto/vault.ts';
import { RefusalError } from '../domain/errors.ts';
import { REASONS, reason, reasonLine } from '../domain/reasons.ts';
import type { AppId } from '../domain/ids.ts';
import { DEFAULT_ACK_TIMEOUT_MS, MAX_ACK_TIMEOUT_MS, MAX_DATA_KEY_BYTES, MAX_HELD_KEY_BYTES, MAX_MEMBERS } from '../domain/limits.ts';
import type { Clock } from '../domain/ports.ts';
import type { ListRequest, LocalWrite, QuotedKeyPage } from '../domain/records.ts';
import { readQuery } from './query.ts';

/** The largest `limit` that a caller may give for a listing: nine digits. */
export const MAX_ASKED_KEYS = 999_999_999;
/** Maximum number of keys in one page of a listing with a `limit`, even if the `limit` is larger. */
const MAX_LIST_LIMIT = 10_000;

/** The part of the store that these routes use. */
export interface DataStore {
  get(appId: string, key: string, nowMs: number): { readonly value: Uint8Array; readonly updatedAtMs: number } | null;
  /** @throws RefusalError insufficient_storage */
  put(appId: string, key: string, value: Uint8Array, ttlMs: number, nowMs: number): LocalWrite;
  /** @returns null when the key is absent. @throws RefusalError insufficient_storage */
  delete(appId: string, key: string, nowMs: number): LocalWrite | null;
  listQuoted(appId: string, request: ListRequest, nowMs: number): QuotedKeyPage;
  /** Whether this node may have refused a record of this key that a peer sent. If so, the key is not known to be absent. */
  isLeftOut(appId: string, key: string, nowMs: number): boolean;
}

export interface DataOptions {
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
}

export interface DataModules {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly vault: Pick<Vault, 'sealValue' | 'openValue'>;
  readonly store: DataStore;
  /** Whether this node may say that a key is absent (protocol.md §10, "404 means absent"). */
  readonly isSure: () => boolean;
  /** Waits until at least `peers` peers have the write. @returns how many peers have it. @throws RefusalError not_replicated */
  readonly acknowledged: (write: LocalWrite, peers: number, timeoutMs: number) => Promise<number>;
  /** Called after each local write, so that it is pushed to the peers. */
  readonly onWritten: () => void;
}

/** JSON Schema counts characters, not bytes, so the description also states the limit in bytes. */
const inBytes = (max: number) => ({ minLength: 1, maxLength: max, description: `1 to ${max} bytes of UTF-8` });

const newKey = z.string().refine((text) => isKey(text, MAX_DATA_KEY_BYTES), `1 to ${MAX_DATA_KEY_BYTES} bytes of UTF-8`).meta(inBytes(MAX_DATA_KEY_BYTES));
const heldKey = z.string().refine((text) => isKey(text, MAX_HELD_KEY_BYTES), `1 to ${MAX_HELD_KEY_BYTES} bytes of UTF-8`).meta(inBytes(MAX_HELD_KEY_BYTES));
/** Callers may send up to 2^64-1. A number that is not a safe integer becomes 0, which means "never expires" (protocol.md §10). */
const ttlMs = z.number().min(0).refine(Number.isInteger).meta({ type: 'integer' }).transform((ms) => (Number.isSafeInteger(ms) ? ms : 0));
const acks = { acks: z.number().int().min(0).max(MAX_MEMBERS).default(0), timeout_ms: z.number().int().min(1).max(MAX_ACK_TIMEOUT_MS).default(DEFAULT_ACK_TIMEOUT_MS) };
export const putBody = z.object({ key: newKey, value: z.string().meta({ contentEncoding: 'base64', pattern: CANONICAL_BASE64_PATTERN }), ttl_ms: ttlMs.default(0), ...acks });
/** A body with `value` or `ttl_ms` is refused, because it looks like a write that a proxy has turned into a delete. */
export const deleteBody = z.object({ key: heldKey, value: z.undefined().optional(), ttl_ms: z.undefined().optional(), ...acks });

function isKey(text: string, maxBytes: number): boolean {
  return text !== '' && text.isWellFormed() && Buffer.byteLength(text) <= maxBytes;
}

function read<Body>(form: z.ZodType<Body>, inner: unknown): Body {
  const parsed = form.safeParse(inner);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  // When an error contains the word `timeout`, the platform's client considers the node dead (protocol.md §10, Words in errors).
  const name = field === 'timeout_ms' ? 'the time to wait for acks' : field;
  throw new RefusalError('bad_request', field === 'key' ? `key is not ${issue?.code === 'custom' ? issue.message : 'a string'}` : `${name} is not valid`);
}

export class DataHandlers {
  readonly #options: DataOptions;
  readonly #modules: DataModules;

  constructor(options: DataOptions, modules: DataModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** @throws RefusalError bad_request, payload_too_large, insufficient_storage, not_replicated, service_unavailable */
  async put(appId: AppId, inner: Record<string, unknown>): Promise<object> {
    const { clock, vault, store } = this.#modules;
    const body = read(putBody, inner);
    const { maxValueBytes } = this.#options;
    // Four base64 characters hold three bytes, so most oversized values can be refused here, before they are decoded.
    if (body.value.length > 4 * Math.ceil(maxValueBytes / 3)) throw tooLarge(maxValueBytes);
    const plaintext = decodeBase64(body.value);
    if (plaintext === null) throw new RefusalError('bad_request', 'value is not valid base64');
    if (plaintext.length > maxValueBytes) throw tooLarge(maxValueBytes);
    const stored = vault.sealValue(appId, plaintext);
    plaintext.fill(0);
    const write = store.put(String(appId), body.key, stored, body.ttl_ms, clock.nowMs());
    const replicated = await this.#replicate(write, body.acks, body.timeout_ms);
    return { app_id: appId, key: body.key, updated_at_ms: write.updatedAtMs, ...replicated };
  }

  /** @throws RefusalError bad_request, not_found, insufficient_storage, not_replicated, service_unavailable */
  async delete(appId: AppId, inner: Record<string, unknown>): Promise<object> {
    const { clock, store } = this.#modules;
    const body = read(deleteBody, inner);
    const write = store.delete(String(appId), body.key, clock.nowMs());
    if (write === null) throw this.#absent(appId, [body.key]);
    const replicated = await this.#replicate(write, body.acks, body.timeout_ms);
    return { app_id: appId, key: body.key, deleted: true, ...replicated };
  }

  /** Reads the value of the first candidate that is present. @param candidates the keys that a path may mean. @throws the same errors as `read` */
  readFirst(appId: AppId, candidates: readonly string[]): object {
    const { clock, store } = this.#modules;
    const found = candidates.find((key) => isKey(key, MAX_HELD_KEY_BYTES) && store.get(String(appId), key, clock.nowMs()) !== null);
    return this.#read(appId, found ?? candidates.at(-1) ?? '', candidates);
  }

  /** @throws RefusalError bad_request, not_found, service_unavailable */
  read(appId: AppId, wanted: string): object {
    return this.#read(appId, wanted, [wanted]);
  }

  /** @param candidates the keys that must all be absent before the node says that `wanted` is absent */
  #read(appId: AppId, wanted: string, candidates: readonly string[]): object {
    const { clock, vault, store } = this.#modules;
    if (!isKey(wanted, MAX_HELD_KEY_BYTES)) throw new RefusalError('bad_request', `key is not 1 to ${MAX_HELD_KEY_BYTES} bytes of UTF-8`);
    const held = store.get(String(appId), wanted, clock.nowMs());
    if (held === null) throw this.#absent(appId, candidates);
    const plaintext = vault.openValue(appId, held.value);
    // If the value does not decrypt, a different secret has been installed since the gate was checked. The store is about to be emptied.
    if (plaintext === null) throw new RefusalError('service_unavailable', 'the master secret has changed');
    const value = encodeBase64(plaintext);
    plaintext.fill(0);
    return { app_id: appId, key: wanted, value, updated_at_ms: held.updatedAtMs };
  }

  /** `GET /kms/data`: returns the value of `key` if given; otherwise all keys, or one page of them if `limit` is given. @throws the same errors as `read` */
  query(appId: AppId, text: string): object {
    const { key: wanted, prefix, after, limit: limitText } = readQuery(text, ['key', 'prefix', 'after', 'limit']);
    if (wanted !== undefined) return this.read(appId, wanted);
    if (limitText !== undefined && !/^[1-9]\d{0,8}$/.test(limitText)) {
      throw new RefusalError('bad_request', 'limit is not a whole number of at least 1');
    }
    const asked = limitText === undefined ? null : Number(limitText);
    const limit = asked === null ? undefined : Math.min(asked, MAX_LIST_LIMIT);
    const { clock, store, isSure } = this.#modules;
    if (!isSure()) throw unsure('this node does not know yet whether it holds all keys');
    const { keys, count, more } = store.listQuoted(String(appId), { prefix, after, limit }, clock.nowMs());
    // The answer repeats the query as this node understood it, so that the caller notices if a proxy changed the query.
    const understood = { prefix: prefix ?? null, after: after ?? null, limit: asked };
    return { app_id: appId, keys, count, ...(limit === undefined ? {} : { more }), ...understood };
  }

  /** A caller that reads `not_found` from one node makes a new secret. So only a node that is sure answers `not_found`. */
  #absent(appId: AppId, keys: readonly string[]): RefusalError {
    const { clock, store, isSure } = this.#modules;
    const isKnown = isSure() && !keys.some((key) => store.isLeftOut(String(appId), key, clock.nowMs()));
    return isKnown ? new RefusalError('not_found', 'there is no such key') : unsure('this node does not know yet whether the key is absent');
  }

  async #replicate(write: LocalWrite, wanted: number, timeoutMs: number): Promise<object> {
    const { acknowledged, onWritten } = this.#modules;
    const waiting = wanted > 0 ? acknowledged(write, wanted, timeoutMs) : null;
    onWritten();
    return waiting === null ? {} : { acks: await waiting };
  }
}

function tooLarge(maxValueBytes: number): RefusalError {
  return new RefusalError('payload_too_large', `the value is longer than ${maxValueBytes} bytes`);
}

function unsure(detail: string): RefusalError {
  return new RefusalError('service_unavailable', reasonLine(reason(REASONS.firstSnapshotMissing, detail)));
}
