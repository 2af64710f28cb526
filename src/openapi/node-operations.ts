/**
 * The operations of routes that are not encrypted (`http/node-routes.ts` and the other routers at the root), with the schemas of their
 * bodies (protocol.md §2, §10, docs/audit.md).
 */
import { z } from 'zod';
import { auditLine } from '../audit/entry.ts';
import { READINESS_STATES, SECRET_STATES, SURE_REASONS } from '../domain/readiness.ts';
import type { NodeStatus } from '../domain/status.ts';
import { attestationRequest } from '../http/attestation.ts';
import { LIVE_CHECKS, READY_CHECKS } from '../http/probes.ts';
import { base64, count, unixMs, wallet } from './fields.ts';
import { CBOR, oneOf, TEXT, text, whole, type Operations, type Parameter, type Schemas } from './operation.ts';

const hash32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);
const ms = z.number().meta({ description: 'Milliseconds' });
const byReason = z.record(z.string(), count);

/** The fields of a type, with every string type widened to `string`: a schema may restrict strings further. */
type Fields<T> = T extends string ? string : T extends readonly (infer Entry)[] ? Fields<Entry>[] : T extends object ? { -readonly [Name in keyof T]: Fields<T[Name]> } : T;

const peer = z.object({
  wallet,
  acknowledged_up_to: count,
  behind_by: z.object({ records: count, bytes: count }),
  last_success_ms: unixMs.nullable(),
  last_error: z.string().nullable(),
  last_error_ms: unixMs.nullable(),
  clock_lead_ms: ms.nullable(),
  next_try_ms: unixMs.nullable(),
  waiting_retries: count,
  left_out: byReason,
  refused: byReason,
});

export const NODE_SCHEMAS = {
  Overview: z.object({
    service: z.string(),
    docs: z.string(),
    auth: z.object({ app: z.array(z.string()), peer: z.array(z.string()) }),
    endpoints: z.array(z.string()),
  }),
  Health: z.object({ status: z.literal('healthy') }),
  Nonce: z.object({ nonce: base64 }),
  Status: z.object({
    node: z.object({
      tee_wallet: wallet.nullable(),
      tee_pubkey: hex.nullable(),
      node_url: z.string(),
      is_operator: z.boolean(),
      service_available: z.boolean(),
      master_secret: z.object({ state: z.enum(SECRET_STATES), synced_from: wallet.nullable() }),
      master_secret_initialized: z.boolean(),
    }),
    readiness: z.object({
      state: z.enum(READINESS_STATES),
      reason: z.string().nullable(),
      since_ms: unixMs,
      last_tick: z.object({ started_at_ms: unixMs, duration_ms: ms, outcome: z.string() }).nullable(),
      next_tick_in_ms: ms.nullable(),
      ticks: z.object({ run: count, dropped: count }),
      sync_ticks: z.object({ run: count }),
    }),
    first_snapshot: z.string(),
    sureness: z.object({
      sure: z.boolean().meta({ description: 'Whether this node may say that a key is absent' }),
      by: z.enum(SURE_REASONS).nullable(),
      waits_for: z.array(wallet),
    }),
    faults: z.object({ count, last: z.object({ at_ms: unixMs, where: z.string(), code: z.string() }).nullable() }),
    cluster: z.object({
      kms_app_id: count,
      registry_address: wallet,
      total_instances: count,
      master_secret_hash: hash32.nullable(),
      membership_block: count.nullable(),
      membership_age_ms: ms.nullable(),
      view_age_ms: ms.nullable(),
      chain_failing: z.object({ since_ms: unixMs, why: z.string() }).nullable(),
      dropped: z.array(z.object({ wallet: z.string(), why: z.string() })),
      dropped_count: count,
    }),
    replication: z.object({ peers: z.array(peer), total: count }),
    data_store: z.object({
      namespaces: count,
      total_keys: count,
      total_bytes: count,
      held_bytes: count,
      refused_full: count,
      left_out_keys: count,
      root: hex.nullable(),
    }),
  }) satisfies z.ZodType<Fields<NodeStatus>>,
  Nodes: z.object({
    operators: z.array(
      z.object({
        operator: wallet,
        instance: z.object({
          instance_id: count,
          app_id: count,
          version_id: count,
          operator: wallet,
          instance_url: z.string(),
          tee_wallet: wallet,
          zk_verified: z.boolean(),
          instance_status: z.object({ value: count, name: z.string() }),
          registered_at: count,
        }),
        connection: z.object({
          in_peer_cache: z.boolean(),
          cached_status: z.string(),
          status_endpoint_reachable: z.boolean().nullable(),
          status_endpoint_http_code: z.number().int().nullable(),
          status_probe_ms: ms.nullable(),
          status_checked_at_ms: unixMs.nullable(),
        }),
      }),
    ),
    count,
  }),
  AuditPage: z.object({ chain: z.string().regex(/^[0-9a-f]{32}$/), entries: z.array(auditLine), more: z.boolean() }),
  AttestationRequest: attestationRequest,
  OpenApi: z.looseObject({ openapi: z.string() }),
} satisfies Schemas;

const PUBLIC_ERRORS = [405, 429, 503];

/** The highest sequence number that an audit entry can have. */
const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER;
const READY_NAMES = Object.keys(READY_CHECKS);

function probeParameters(checks: readonly string[]): readonly Parameter[] {
  return [
    { name: 'verbose', in: 'query', description: 'One line for each check', schema: text },
    { name: 'exclude', in: 'query', description: 'A check to leave out', schema: oneOf(checks) },
  ];
}

export const NODE_OPERATIONS = {
  'GET /': { summary: 'An overview of the routes', answer: 'Overview', errors: PUBLIC_ERRORS },
  'GET /health': { summary: 'Liveness', answer: 'Health', errors: [405, 503] },
  'GET /livez': { summary: 'Liveness, for probes', parameters: probeParameters(Object.keys(LIVE_CHECKS)), answer: TEXT, errors: [400, 405] },
  'GET /readyz': { summary: 'Readiness, for probes; 503 with the checks that failed', parameters: probeParameters(READY_NAMES), answer: TEXT, errors: [400, 405, 429] },
  'GET /readyz/<check>': {
    summary: 'One readiness check',
    parameters: [{ name: 'check', in: 'path', description: 'The name of the check', schema: oneOf(READY_NAMES) }, ...probeParameters(READY_NAMES)],
    answer: TEXT,
    errors: [400, 404, 405, 429],
  },
  'GET /metrics': { summary: 'Metrics for Prometheus (docs/metrics.md)', security: 'operator', answer: TEXT, errors: [401, 404, 405, 429] },
  'GET /audit': {
    summary: 'A page of the audit log (docs/audit.md)',
    security: 'operator',
    parameters: [
      { name: 'after', in: 'query', description: 'Number of the last entry that the reader has; 0 when it has none', schema: whole(0, MAX_SEQUENCE) },
      { name: 'limit', in: 'query', description: 'Maximum number of entries; 1,000 when absent', schema: whole(1, MAX_SEQUENCE) },
    ],
    answer: 'AuditPage',
    errors: [400, 401, 404, 405, 429],
  },
  'POST /.well-known/attestation': {
    summary: "The attestation document of the enclave; at most one request a second, for all callers together",
    request: 'AttestationRequest',
    answer: CBOR,
    errors: [400, 404, 405, 413, 415, 429, 500, 503],
  },
  'GET /openapi.json': { summary: 'This document', answer: 'OpenApi', errors: PUBLIC_ERRORS },
  'GET /status': { summary: 'State, reason, replication and store of the node', answer: 'Status', errors: PUBLIC_ERRORS },
  'GET /nodes': { summary: 'The members of the cluster', answer: 'Nodes', errors: PUBLIC_ERRORS },
  'GET /nonce': { summary: 'A nonce for the next signed request', answer: 'Nonce', errors: PUBLIC_ERRORS },
} satisfies Operations<keyof typeof NODE_SCHEMAS>;
