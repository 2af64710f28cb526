/**
 * Schemas of a node's answers, for the OpenAPI document (protocol.md §2 to §4, §10, docs/audit.md). A node does not check its own answers
 * against them; the end-to-end tests check every answer against the document.
 */
import { z } from 'zod';
import { auditLine } from '../audit/entry.ts';

const wallet = z.string().regex(/^0x[0-9a-f]{40}$/);
const hash32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);
const base64 = z.string().meta({ contentEncoding: 'base64' });
const count = z.number().int().min(0);
const unixMs = z.number().meta({ description: 'Unix milliseconds' });
const ms = z.number().meta({ description: 'Milliseconds' });
const byReason = z.record(z.string(), count);

/** A node writes lower-case hex without `0x`. It also accepts upper case and `0x`. */
const anyHex = z.string().regex(/^(?:0x)?(?:[0-9a-fA-F]{2})+$/);
export const envelope = z.object({
  sender_tee_pubkey: anyHex.meta({ description: 'The registered key of the sender: P-384, DER SubjectPublicKeyInfo' }),
  nonce: anyHex.meta({ description: '12 bytes' }),
  encrypted_data: anyHex.meta({ description: 'Ciphertext, then the tag of 16 bytes' }),
});

export const error = z.object({ code: z.string(), message: z.string() });

export const overview = z.object({
  service: z.string(),
  docs: z.string(),
  auth: z.object({ app: z.array(z.string()), peer: z.array(z.string()) }),
  endpoints: z.array(z.string()),
});

export const health = z.object({ status: z.literal('healthy') });
export const nonce = z.object({ nonce: base64 });

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

export const status = z.object({
  node: z.object({
    tee_wallet: wallet.nullable(),
    tee_pubkey: hex.nullable(),
    node_url: z.string(),
    is_operator: z.boolean(),
    service_available: z.boolean(),
    master_secret: z.object({ state: z.enum(['uninitialized', 'generated', 'synced']), synced_from: wallet.nullable() }),
    master_secret_initialized: z.boolean(),
  }),
  readiness: z.object({
    state: z.enum(['ineligible', 'bootstrapping', 'syncing-secret', 'ready']),
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
    by: z.enum(['claimed', 'alone', 'sure_members', 'all_members', 'in_vain']).nullable(),
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
});

export const nodes = z.object({
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
});

export const auditPage = z.object({ chain: z.string().regex(/^[0-9a-f]{32}$/), entries: z.array(auditLine), more: z.boolean() });

/** In the answer to a signed request: the nonce of its `x-app-nonce`. */
const bond = { nonce: base64.optional() };
const replicated = { acks: count.optional() };

export const deriveAnswer = z.object({ app_id: count, path: z.string(), key: base64, length: count, ...bond });
export const readAnswer = z.object({ app_id: count, key: z.string(), value: base64, updated_at_ms: unixMs, ...bond });
export const listAnswer = z.object({
  app_id: count,
  keys: z.array(z.string()),
  count,
  more: z.boolean().optional(),
  prefix: z.string().nullable(),
  after: z.string().nullable(),
  limit: count.nullable(),
  ...bond,
});
export const putAnswer = z.object({ app_id: count, key: z.string(), updated_at_ms: unixMs, ...replicated, ...bond });
export const deleteAnswer = z.object({ app_id: count, key: z.string(), deleted: z.literal(true), ...replicated, ...bond });
export const sealedError = z.object({ code: z.literal('not_found'), message: z.string(), ...bond });
