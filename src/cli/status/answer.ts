/**
 * Parses the answers to `GET /status` and `GET /nodes` (protocol.md §2, §10). A server may send anything, so control characters are replaced
 * and the length of strings is limited. Nodes that are implemented in other languages send fewer fields, so a field that is missing or has
 * the wrong type becomes null.
 */
import { z } from 'zod';
import { parseWallet, type Wallet } from '../../domain/ids.ts';
import type { FieldsOf, NodeStatus, PeerStatus, ReadinessStatus } from '../../domain/status.ts';
import { nodeUrl } from '../node-url.ts';
import { plainText } from '../plain-text.ts';

const MAX_STATE_CHARACTERS = 20;
const MAX_REASON_CHARACTERS = 200;
const MAX_ID_CHARACTERS = 70;
/** Maximum length of a public key. A P-384 key in DER has 240 hex digits. */
const MAX_PUBKEY_CHARACTERS = 300;
/** Maximum number of peers that are read from one status. */
const MAX_PEERS = 64;
/** Maximum number of members that are read from one list; more than a screen ever shows. */
const MAX_LISTED = 4_096;
const MAX_URL_CHARACTERS = 2_048;

/** A string of limited length; null when it is absent. */
function text(max: number) {
  return z.string().transform((value) => plainText(value, max)).nullable().catch(null);
}
/** An address or a hash in lower case, because implementations differ in the case of their hex. */
const hex = z.string().transform((value) => plainText(value, MAX_ID_CHARACTERS).toLowerCase()).nullable().catch(null);
const figure = z.number().nullable().catch(null);
const wallet = z.string().transform(parseWallet).nullable().catch(null);
const rest = <Shape extends z.ZodRawShape>(shape: Shape) => z.object(shape).catch(() => z.object(shape).parse({}));

const peer = rest({
  wallet,
  behind_by: rest({ records: figure, bytes: figure } satisfies FieldsOf<PeerStatus['behind_by'], z.ZodType>),
  last_success_ms: figure,
  last_error: text(MAX_REASON_CHARACTERS),
  last_error_ms: figure,
  next_try_ms: figure,
} satisfies FieldsOf<PeerStatus, z.ZodType>);

const statusAnswer = z.object({
  node: z.object({
    service_available: z.boolean(),
    tee_wallet: wallet,
    tee_pubkey: text(MAX_PUBKEY_CHARACTERS),
    master_secret_initialized: z.boolean().nullable().catch(null),
  } satisfies FieldsOf<NodeStatus['node'], z.ZodType>),
  readiness: rest({
    state: text(MAX_STATE_CHARACTERS),
    reason: text(MAX_REASON_CHARACTERS),
    since_ms: figure,
    next_tick_in_ms: figure,
    last_tick: rest({ outcome: text(MAX_REASON_CHARACTERS) } satisfies FieldsOf<NonNullable<ReadinessStatus['last_tick']>, z.ZodType>),
  } satisfies FieldsOf<ReadinessStatus, z.ZodType>),
  first_snapshot: text(MAX_STATE_CHARACTERS),
  sureness: rest({
    sure: z.boolean().nullable().catch(null),
    waits_for: z.array(wallet).transform((wallets) => wallets.slice(0, MAX_PEERS)).catch([]),
  } satisfies FieldsOf<NodeStatus['sureness'], z.ZodType>),
  cluster: rest({
    kms_app_id: figure,
    registry_address: hex,
    total_instances: figure,
    membership_block: figure,
    membership_age_ms: figure,
    master_secret_hash: hex,
  } satisfies FieldsOf<NodeStatus['cluster'], z.ZodType>),
  replication: rest({ peers: z.array(z.unknown()).transform((peers) => peers.slice(0, MAX_PEERS).map((each) => peer.parse(each))).catch([]) } satisfies FieldsOf<NodeStatus['replication'], z.ZodType>),
  data_store: rest({ total_keys: figure, total_bytes: figure, root: hex } satisfies FieldsOf<NodeStatus['data_store'], z.ZodType>),
} satisfies FieldsOf<NodeStatus, z.ZodType>);

export type StatusAnswer = z.infer<typeof statusAnswer>;

/** @returns null when the body is not a status */
export function parseStatus(body: unknown): StatusAnswer | null {
  return statusAnswer.safeParse(body).data ?? null;
}

/** A member in a node's list. */
export interface Listed {
  readonly url: string;
  readonly wallet: Wallet | null;
}

const nodesAnswer = z.object({ operators: z.array(z.unknown()) });
const operator = z.object({ operator: wallet, instance: z.object({ instance_url: z.string().max(MAX_URL_CHARACTERS) }) });

/** @returns null when the body is not a list of members. Entries without a valid URL are skipped. */
export function parseNodes(body: unknown): readonly Listed[] | null {
  const parsed = nodesAnswer.safeParse(body);
  if (!parsed.success) return null;
  return parsed.data.operators.slice(0, MAX_LISTED).flatMap((each) => {
    const { data } = operator.safeParse(each);
    const url = data === undefined ? null : nodeUrl(data.instance.instance_url);
    return url === null ? [] : [{ url, wallet: data!.operator }];
  });
}
