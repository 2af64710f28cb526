/**
 * `/kms/data` (protocol.md §2, §3, §10): the requests, and the form of their answers. HTTP clients rewrite `..` in the path of a
 * URL, so a key is sent in `?key=` or in the body.
 */
import { types } from 'node:util';
import { z } from 'zod';
import { DEFAULT_ACK_TIMEOUT_MS, MAX_ACK_TIMEOUT_MS, MAX_DATA_KEY_BYTES, MAX_HELD_KEY_BYTES, MAX_MEMBERS } from '../domain/limits.ts';
import { base64 } from './base64.ts';
import { KmsClientError } from './errors.ts';
import type { KmsRequest } from './node-exchange.ts';
import type { KmsNode } from './node-list.ts';

/** How many other nodes must acknowledge a write before the node answers, and how long the node waits for them. */
export interface WriteOptions {
  /** Number of other nodes. Default: 0. */
  readonly acks?: number;
  /** How long the node waits for these acknowledgements. Milliseconds, 1 to 60,000. Default: 5,000. */
  readonly ackTimeoutMs?: number;
}

export interface PutArguments extends WriteOptions {
  /** 1 to 1,024 bytes of UTF-8; any characters. */
  readonly key: string;
  readonly value: Uint8Array;
  /** Milliseconds until the key expires. 0, the default, means that the key never expires. */
  readonly ttlMs?: number;
}

export interface DeleteArguments extends WriteOptions {
  /** 1 to 65,536 bytes of UTF-8: older nodes accepted longer keys than this client writes. */
  readonly key: string;
}

export interface ListArguments {
  /** List only keys that begin with this string. */
  readonly prefix?: string;
  /** List only keys that come after this key. */
  readonly after?: string;
  /** Maximum number of keys; if absent, all keys come in one answer. */
  readonly limit?: number;
}

export interface PutResult {
  /** Unix milliseconds. */
  readonly updatedAtMs: number;
  /** Number of nodes, besides the answering node, that have stored the write; undefined when no acknowledgements were requested. */
  readonly acks: number | undefined;
  readonly node: KmsNode;
}

export interface StoredValue {
  /** The caller must wipe these bytes after use. */
  readonly value: Uint8Array;
  /** Unix milliseconds. */
  readonly updatedAtMs: number;
  readonly node: KmsNode;
}

export interface DeleteResult {
  /** False when the nodes say that the key is absent. */
  readonly deleted: boolean;
  readonly acks: number | undefined;
  /** null when `deleted` is false. */
  readonly node: KmsNode | null;
}

export interface KeyList {
  readonly keys: readonly string[];
  /** True when there are keys after the last one listed. */
  readonly more: boolean;
  readonly node: KmsNode;
}

/**
 * Maximum size of a small answer, which is sent as hex. It contains a few numbers and a key of up to 64 KiB, and JSON may need six
 * characters for one character of the key. Bytes.
 */
const SMALL_ANSWER_BYTES = 1024 * 1024;
/** Maximum size of a large answer, which is sent as hex: the largest value, or the longest list, that a node's enclave can encrypt. Bytes. */
const LARGE_ANSWER_BYTES = 24 * 1024 * 1024;

/** Maximum length of an encoded key: nodes accept 16 KiB for the whole head of a request, including its other headers. */
const MAX_ENCODED_KEY_CHARS = 12 * 1024;

const appId = z.number().int().positive();
const timeMs = z.number().int().min(0);
const acknowledged = z.number().int().min(0).optional();
const putAnswer = z.object({ app_id: appId, key: z.string(), updated_at_ms: timeMs, acks: acknowledged });
const valueAnswer = z.object({ app_id: appId, key: z.string(), value: base64, updated_at_ms: timeMs });
const deleteAnswer = z.object({ app_id: appId, key: z.string(), deleted: z.literal(true), acks: acknowledged });
const listAnswer = z.object({ app_id: appId, keys: z.array(z.string()), count: z.number().int().min(0), more: z.boolean().optional() });

/** The parsed answer, if it has the given form and is about the given key; otherwise undefined. */
function answerAbout<Form extends { readonly key: string }>(form: z.ZodType<Form>, key: string, inner: unknown): Form | undefined {
  const { data } = form.safeParse(inner);
  return data?.key === key ? data : undefined;
}

function checkKey(key: string, maxBytes: number): void {
  if (typeof key !== 'string' || key === '' || !key.isWellFormed() || Buffer.byteLength(key) > maxBytes) {
    throw new KmsClientError('invalid_argument', `key must be 1 to ${maxBytes} bytes of UTF-8`);
  }
}

function checkText(name: string, text: string | undefined): void {
  if (text === undefined || (typeof text === 'string' && text.isWellFormed())) return;
  throw new KmsClientError('invalid_argument', `${name} must be a string`);
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new KmsClientError('invalid_argument', `${name} must be a whole number from ${min} to ${max}`);
}

/** The body fields for acknowledgements, and how much longer an attempt may take because the node waits for them. */
function waiting({ acks = 0, ackTimeoutMs = DEFAULT_ACK_TIMEOUT_MS }: WriteOptions) {
  whole('acks', acks, 0, MAX_MEMBERS);
  whole('ackTimeoutMs', ackTimeoutMs, 1, MAX_ACK_TIMEOUT_MS);
  return acks === 0 ? { fields: {}, extraMs: 0 } : { fields: { acks, timeout_ms: ackTimeoutMs }, extraMs: ackTimeoutMs };
}

/** A node that does not know `acks` ignores the field, so its answer reports no acknowledgements (protocol.md §10, Acknowledged writes). */
function checkAcks(asked = 0, acks = 0): void {
  if (acks >= asked) return;
  throw new KmsClientError('refused', `the write was stored, but the node reported only ${acks} of ${asked} requested acknowledgements`, { status: 200, serverCode: 'not_replicated' });
}

/** @throws KmsClientError invalid_argument */
export function putRequest({ key, value, ttlMs = 0, ...write }: PutArguments): KmsRequest<Omit<PutResult, 'node'>> {
  checkKey(key, MAX_DATA_KEY_BYTES);
  if (!types.isUint8Array(value)) throw new KmsClientError('invalid_argument', 'value must be a Uint8Array');
  whole('ttlMs', ttlMs, 0, Number.MAX_SAFE_INTEGER);
  const { fields, extraMs } = waiting(write);
  return {
    method: 'PUT',
    path: '/kms/data',
    op: 'put',
    key,
    body: { key, value: Buffer.from(value).toString('base64'), ttl_ms: ttlMs, ...fields },
    maxAnswerBytes: SMALL_ANSWER_BYTES,
    extraMs,
    read: (inner) => {
      const answer = answerAbout(putAnswer, key, inner);
      if (answer === undefined) return null;
      checkAcks(write.acks, answer.acks);
      return { updatedAtMs: answer.updated_at_ms, acks: answer.acks };
    },
  };
}

/** @throws KmsClientError invalid_argument */
export function getRequest(key: string): KmsRequest<Omit<StoredValue, 'node'>> {
  checkKey(key, MAX_HELD_KEY_BYTES);
  const encoded = encodeURIComponent(key);
  if (encoded.length > MAX_ENCODED_KEY_CHARS) throw new KmsClientError('invalid_argument', "key is too long for the head of a request: it can be deleted but not read");
  return {
    method: 'GET',
    path: `/kms/data?key=${encoded}`,
    key,
    body: undefined,
    maxAnswerBytes: LARGE_ANSWER_BYTES,
    read: (inner) => {
      const answer = answerAbout(valueAnswer, key, inner);
      return answer === undefined ? null : { value: answer.value, updatedAtMs: answer.updated_at_ms };
    },
  };
}

/** @throws KmsClientError invalid_argument */
export function deleteRequest({ key, ...write }: DeleteArguments): KmsRequest<Pick<DeleteResult, 'acks'>> {
  checkKey(key, MAX_HELD_KEY_BYTES);
  const { fields, extraMs } = waiting(write);
  return {
    method: 'DELETE',
    path: '/kms/data',
    op: 'delete',
    key,
    body: { key, ...fields },
    maxAnswerBytes: SMALL_ANSWER_BYTES,
    extraMs,
    read: (inner) => {
      const answer = answerAbout(deleteAnswer, key, inner);
      if (answer === undefined) return null;
      checkAcks(write.acks, answer.acks);
      return { acks: answer.acks };
    },
  };
}

/** @throws KmsClientError invalid_argument */
export function listRequest(listing: ListArguments): KmsRequest<Omit<KeyList, 'node'>> {
  const { prefix, after, limit } = listing;
  checkText('prefix', prefix);
  checkText('after', after);
  if (limit !== undefined) whole('limit', limit, 1, Number.MAX_SAFE_INTEGER);
  const query = Object.entries({ prefix, after, limit: limit === undefined ? undefined : String(limit) })
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return {
    method: 'GET',
    path: query.length === 0 ? '/kms/data' : `/kms/data?${query.join('&')}`,
    listing,
    body: undefined,
    maxAnswerBytes: LARGE_ANSWER_BYTES,
    read: (inner) => {
      const { data } = listAnswer.safeParse(inner);
      return data !== undefined && data.keys.length === data.count ? boundedBy(listing, data.keys, data.more ?? false) : null;
    },
  };
}

/** A node that does not know the bounds of a listing ignores them and sends all keys, so the bounds are applied here. */
function boundedBy({ prefix = '', after = '', limit = Infinity }: ListArguments, keys: readonly string[], more: boolean): Omit<KeyList, 'node'> {
  const wanted = keys.filter((key) => key.startsWith(prefix) && key > after);
  if (wanted.length === keys.length && keys.length <= limit) return { keys, more };
  wanted.sort(compareTexts);
  return { keys: wanted.slice(0, limit), more: more || wanted.length > limit };
}

/** Nodes list keys in this order: by UTF-16 code units. */
function compareTexts(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
