/** Every operation of a node (protocol.md §2), with its request and its answers by the names of their schemas. */

import { MAX_ASKED_KEYS } from '../http/data.ts';
import { LIVE_CHECKS, READY_CHECKS } from '../http/probes.ts';

/** The name of a schema among the components. */
export type SchemaName = string;
/** In place of a schema name: the answer is text. */
export const TEXT = 'text';
/** In place of a schema name: the answer is CBOR. */
export const CBOR = 'cbor';

/** The inner schemas of an encrypted route; several names mean one of them. */
interface Sealed {
  readonly request?: readonly SchemaName[];
  /** By status. */
  readonly answers: Readonly<Record<number, readonly SchemaName[]>>;
}

interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly description: string;
  readonly schema: object;
}

export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly security?: 'app' | 'peer' | 'operator';
  readonly parameters?: readonly Parameter[];
  /** For a route that is not encrypted. */
  readonly request?: SchemaName;
  /** For a route that is not encrypted: a schema, `TEXT` or `CBOR`. */
  readonly answer?: SchemaName;
  /** For a route whose bodies are envelopes. */
  readonly sealed?: Sealed;
  /** The statuses of errors, in the form of all errors. */
  readonly errors: readonly number[];
}

const text = { type: 'string' };
const whole = (minimum: number, maximum: number): object => ({ type: 'integer', minimum, maximum });
const oneOf = (names: readonly string[]): object => ({ type: 'string', enum: names });
const PUBLIC_ERRORS = [405, 429, 503];
const APP_ERRORS = [400, 403, 404, 405, 413, 415, 429, 500, 503];
const WRITE_ERRORS = [...APP_ERRORS, 504, 507];
const NOT_FOUND = { 404: ['SealedError'] };

/** The largest number of an audit entry. */
const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER;
const READY_NAMES = Object.keys(READY_CHECKS);

function probeParameters(checks: readonly string[]): readonly Parameter[] {
  return [
    { name: 'verbose', in: 'query', description: 'One line for each check', schema: text },
    { name: 'exclude', in: 'query', description: 'A check to leave out', schema: oneOf(checks) },
  ];
}

export const OPERATIONS: readonly Operation[] = [
  { method: 'get', path: '/', summary: 'An overview of the routes', answer: 'Overview', errors: PUBLIC_ERRORS },
  { method: 'get', path: '/health', summary: 'Liveness', answer: 'Health', errors: [405, 503] },
  { method: 'get', path: '/livez', summary: 'Liveness, for probes', parameters: probeParameters(Object.keys(LIVE_CHECKS)), answer: TEXT, errors: [400, 405] },
  { method: 'get', path: '/readyz', summary: 'Readiness, for probes; 503 with the checks that failed', parameters: probeParameters(READY_NAMES), answer: TEXT, errors: [400, 405, 429] },
  {
    method: 'get',
    path: '/readyz/{check}',
    summary: 'One readiness check',
    parameters: [{ name: 'check', in: 'path', description: 'The name of the check', schema: oneOf(READY_NAMES) }, ...probeParameters(READY_NAMES)],
    answer: TEXT,
    errors: [400, 404, 405, 429],
  },
  { method: 'get', path: '/metrics', summary: 'Metrics for Prometheus (docs/metrics.md)', security: 'operator', answer: TEXT, errors: [401, 404, 405, 429, 503] },
  {
    method: 'get',
    path: '/audit',
    summary: 'A page of the audit (docs/audit.md)',
    security: 'operator',
    parameters: [
      { name: 'after', in: 'query', description: 'Number of the last entry that the reader has; 0 when it has none', schema: whole(0, MAX_SEQUENCE) },
      { name: 'limit', in: 'query', description: 'Maximum number of entries; 1,000 when absent', schema: whole(1, MAX_SEQUENCE) },
    ],
    answer: 'AuditPage',
    errors: [400, 401, 404, 405, 429, 503],
  },
  {
    method: 'post',
    path: '/.well-known/attestation',
    summary: "The enclave's attestation document; one request a second for all callers together",
    request: 'AttestationRequest',
    answer: CBOR,
    errors: [400, 404, 405, 413, 415, 429, 500, 503],
  },
  { method: 'get', path: '/openapi.json', summary: 'This document', answer: 'OpenApi', errors: PUBLIC_ERRORS },
  { method: 'get', path: '/status', summary: 'State, reason, replication and store of the node', answer: 'Status', errors: PUBLIC_ERRORS },
  { method: 'get', path: '/nodes', summary: 'The members of the cluster', answer: 'Nodes', errors: PUBLIC_ERRORS },
  { method: 'get', path: '/nonce', summary: 'A nonce for the next signed request', answer: 'Nonce', errors: PUBLIC_ERRORS },
  { method: 'post', path: '/kms/derive', summary: 'Derives a key of the app', security: 'app', sealed: { request: ['DeriveRequest'], answers: { 200: ['DeriveAnswer'] } }, errors: APP_ERRORS },
  {
    method: 'get',
    path: '/kms/data',
    summary: 'Returns one value if `key` is given, otherwise lists the keys of the app',
    security: 'app',
    parameters: [
      { name: 'key', in: 'query', description: 'Return the value of this key', schema: { ...text, minLength: 1 } },
      { name: 'prefix', in: 'query', description: 'Only keys that begin with this', schema: text },
      { name: 'after', in: 'query', description: 'Only keys after this one', schema: text },
      { name: 'limit', in: 'query', description: 'Maximum number of keys', schema: whole(1, MAX_ASKED_KEYS) },
    ],
    sealed: { answers: { 200: ['ReadAnswer', 'ListAnswer'], ...NOT_FOUND } },
    errors: APP_ERRORS,
  },
  {
    method: 'get',
    path: '/kms/data/{key}',
    summary: 'Returns one value; the key may contain slashes',
    security: 'app',
    parameters: [{ name: 'key', in: 'path', description: 'The key, percent-encoded', schema: text }],
    sealed: { answers: { 200: ['ReadAnswer'], ...NOT_FOUND } },
    errors: APP_ERRORS,
  },
  { method: 'put', path: '/kms/data', summary: 'Writes a value', security: 'app', sealed: { request: ['PutRequest'], answers: { 200: ['PutAnswer'] } }, errors: WRITE_ERRORS },
  { method: 'delete', path: '/kms/data', summary: 'Deletes a key', security: 'app', sealed: { request: ['DeleteRequest'], answers: { 200: ['DeleteAnswer'], ...NOT_FOUND } }, errors: WRITE_ERRORS },
  {
    method: 'post',
    path: '/sync',
    summary: 'Messages between nodes',
    security: 'peer',
    sealed: {
      request: ['DeltaRequest', 'SnapshotRequest', 'MasterSecretRequest', 'DigestRequest'],
      answers: { 200: ['DeltaAnswer', 'SnapshotAnswer', 'MasterSecretAnswer', 'RootAnswer', 'AppDigestsAnswer', 'BucketDigestsAnswer'] },
    },
    errors: [400, 403, 405, 413, 415, 429, 500, 503],
  },
];
