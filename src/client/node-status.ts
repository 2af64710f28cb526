/** Reads `GET /status` of a node (protocol.md §2, §10). Nodes written in other languages may add fields or omit `readiness`. */
import { z } from 'zod';
import { parseJsonOrNull } from '../crypto/json.ts';
import { DependencyError } from '../domain/errors.ts';
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import { memberEndpoint } from '../domain/membership.ts';
import type { Transport } from '../domain/ports.ts';
import { READINESS_STATES } from '../domain/readiness.ts';
import type { FieldsOf, NodeStatus, ReadinessStatus } from '../domain/status.ts';
import { KmsClientError } from './errors.ts';

const statusAnswer = z.looseObject({
  node: z.looseObject({
    /** null until the enclave has returned the wallet. */
    tee_wallet: z.string().nullable(),
    node_url: z.string().nullable(),
    is_operator: z.boolean(),
    service_available: z.boolean(),
    master_secret: z.looseObject({ state: z.string(), synced_from: z.string().nullable().optional() } satisfies FieldsOf<NodeStatus['node']['master_secret'], z.ZodType>),
    master_secret_initialized: z.boolean(),
  } satisfies FieldsOf<NodeStatus['node'], z.ZodType>),
  cluster: z.looseObject({ kms_app_id: z.number(), registry_address: z.string(), total_instances: z.number() } satisfies FieldsOf<NodeStatus['cluster'], z.ZodType>),
  data_store: z.looseObject({ namespaces: z.number(), total_keys: z.number(), total_bytes: z.number() } satisfies FieldsOf<NodeStatus['data_store'], z.ZodType>),
  /** Only nodes that run this implementation send this field. */
  readiness: z
    .looseObject({
      state: z.enum(READINESS_STATES),
      /** Why the node is not ready; null when it is ready. */
      reason: z.string().nullable(),
      /** Unix milliseconds. */
      since_ms: z.number(),
    } satisfies FieldsOf<ReadinessStatus, z.ZodType>)
    .optional(),
} satisfies FieldsOf<NodeStatus, z.ZodType>);

/** The status as sent; unknown fields are kept. */
export type ReceivedStatus = z.infer<typeof statusAnswer>;

/** The status is not signed: it is for people and monitors, never a reason to trust a node. @throws KmsClientError */
export async function readNodeStatus(
  url: string,
  signal: AbortSignal | undefined,
  modules: { readonly transport: Transport },
): Promise<ReceivedStatus> {
  try {
    const answer = await modules.transport.request({
      method: 'GET',
      url: memberEndpoint(url, '/status'),
      maxAnswerBytes: SMALL_ANSWER_BYTES,
      timeoutMs: PEER_TIMEOUT_MS.probe,
      ...(signal === undefined ? {} : { signal }),
    });
    const parsed = statusAnswer.safeParse(answer.status === 200 ? parseJsonOrNull(answer.body) : null);
    if (parsed.success) return parsed.data;
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    if (error.failure === 'aborted') throw new KmsClientError('aborted', 'the call was aborted');
    if (error.failure === 'timeout') throw new KmsClientError('timeout', 'the node did not answer in time');
    if (error.failure !== 'too_large') throw new KmsClientError('unavailable', 'the node cannot be reached');
  }
  throw new KmsClientError('bad_answer', 'the node did not answer with a status');
}
