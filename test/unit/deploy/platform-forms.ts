/**
 * The forms of `nova-build.yaml` and `capsule.yaml` that the platform accepts. Unknown fields are refused. Neither file can set environment
 * variables.
 */
import { z } from 'zod';

const port = z.int().min(1).max(65_535);
const text = z.string().min(1);

export const novaBuild = z.strictObject({
  name: z.string().max(63).regex(/^[a-z0-9-]+$/),
  version: z.string().regex(/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/),
  repo: z.string().regex(/^https:\/\/github\.com\/[\w.-]+\/[\w.-]+$/),
  ref: text,
  build: z.strictObject({ directory: text, dockerfile: text, args: z.record(text, z.string()) }).partial().optional(),
  metadata: z
    .strictObject({ description: z.string().max(500), maintainer: z.email(), homepage: z.url(), license: text, tags: z.array(text) })
    .partial()
    .optional(),
});

const heliosChain = z.strictObject({
  name: text,
  network_id: text.optional(),
  kind: z.enum(['ethereum', 'opstack']),
  network: text,
  execution_rpc: z.url(),
  consensus_rpc: z.url().optional(),
  checkpoint: text.optional(),
  local_rpc_port: port,
});

export const capsule = z.strictObject({
  version: z.literal('v1'),
  name: text,
  target: text,
  sources: z.strictObject({ app: text }),
  defaults: z.strictObject({ cpu_count: z.int().min(1), memory_mb: z.int().min(1) }).partial().optional(),
  ingress: z.array(z.strictObject({ listen_port: port })).optional(),
  egress: z.strictObject({ proxy_port: port, allow: z.array(text), deny: z.array(text) }).partial().optional(),
  api: z.strictObject({ listen_port: port }).optional(),
  aux_api: z.strictObject({ listen_port: port }).optional(),
  storage: z.strictObject({ s3: z.looseObject({ enabled: z.boolean() }), mounts: z.array(z.looseObject({ name: text, mount_path: text })) }).partial().optional(),
  kms_integration: z.strictObject({ enabled: z.boolean(), use_app_wallet: z.boolean(), kms_app_id: z.int(), nova_app_registry: text }).partial().optional(),
  helios_rpc: z.strictObject({ enabled: z.boolean(), chains: z.array(heliosChain).min(1).optional() }).optional(),
  clock_sync: z.strictObject({ enabled: z.boolean(), interval_secs: z.int().min(1) }).partial().optional(),
});
