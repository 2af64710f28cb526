/** The report on a cluster. `nova-kms status` prints it as text (`text.ts`), or as JSON with `--json`. */
import type { Survey, SurveyedNode } from './survey.ts';

export interface ClusterReport {
  /** Unix milliseconds. */
  readonly taken_at_ms: number;
  /** true: every member was asked, all nodes are ready, and all have the same secret and the same KMS app. */
  readonly ready: boolean;
  readonly nodes_ready: number;
  readonly nodes_total: number;
  /** Number of members that were not asked, because there are more than --max-nodes. */
  readonly nodes_left_out: number;
  /** The KMS apps that nodes report, most frequent first. */
  readonly kms_apps: readonly Counted<{ readonly app_id: number; readonly kms_registry: string }>[];
  /** Most frequent first. If there is more than one hash, nodes derive different keys. */
  readonly master_secret_hashes: readonly Counted<{ readonly hash: string }>[];
  readonly nodes: readonly NodeReport[];
}

export type Counted<Of> = Of & { readonly nodes: number };

export interface NodeReport {
  readonly url: string;
  readonly wallet: string | null;
  /** The state that the node reports; `ready` or `unready` if it reports no state; `unreachable` if it returned no status. */
  readonly state: string;
  /** Why the node is not ready or not reachable. */
  readonly reason: string | null;
  /** Unix milliseconds, according to the node's clock. */
  readonly since_ms: number | null;
  readonly next_tick_in_ms: number | null;
  readonly last_tick: string | null;
  readonly members: number | null;
  readonly membership_block: number | null;
  readonly master_secret_hash: string | null;
  readonly first_snapshot: string | null;
  /** Whether the node may say that a key is absent; null: the node's status does not say. */
  readonly sure: boolean | null;
  /** Members whose answers or records the node still needs. A member is listed by its URL if the URL is known, otherwise by its wallet. */
  readonly waits_for: readonly string[];
  readonly keys: number | null;
  readonly bytes: number | null;
  /** Peers that have not acknowledged all writes of this node, or whose last exchange with this node failed. */
  readonly peers_behind: readonly PeerReport[];
}

export interface PeerReport {
  readonly wallet: string | null;
  /** Null: not known. */
  readonly url: string | null;
  readonly records: number;
  readonly bytes: number;
  /** Error of the last exchange, if it failed. */
  readonly error: string | null;
  /** Unix milliseconds, according to the node's clock. */
  readonly next_try_ms: number | null;
}

export const UNREACHABLE = 'unreachable';

export function reportOf({ takenAtMs, nodes: surveyed, members, leftOut }: Survey): ClusterReport {
  const urls = new Map(members.flatMap(({ url, wallet }) => (wallet === null ? [] : [[wallet as string, url] as const])));
  for (const { url, answer } of surveyed) {
    const said = answer?.node.tee_wallet ?? null;
    if (said !== null && !urls.has(said)) urls.set(said, url);
  }
  const nodes = surveyed.map((node) => nodeReport(node, urls));
  const hashes = counted(nodes.flatMap(({ master_secret_hash: hash }) => (hash === null ? [] : [{ hash }])));
  const ready = nodes.filter(({ state }) => state === 'ready').length;
  // Nodes that are implemented in other languages may not report a KMS app.
  const kmsApps = counted(
    surveyed.flatMap(({ answer }) => {
      const { kms_app_id: appId = null, registry_address: registry = null } = answer?.cluster ?? {};
      return appId === null || registry === null ? [] : [{ app_id: appId, kms_registry: registry }];
    }),
  );
  return {
    taken_at_ms: takenAtMs,
    ready: ready === nodes.length && leftOut === 0 && hashes.length <= 1 && kmsApps.length <= 1,
    nodes_ready: ready,
    nodes_total: nodes.length,
    nodes_left_out: leftOut,
    kms_apps: kmsApps,
    master_secret_hashes: hashes,
    nodes,
  };
}

function nodeReport({ url, listedWallet, answer, silence }: SurveyedNode, urls: ReadonlyMap<string, string>): NodeReport {
  const available = answer?.node.service_available === true;
  const said = answer?.readiness.state ?? null;
  // The machine of a stopping node still reports `ready`.
  const stopping = answer !== null && !available && said === 'ready';
  const state = answer === null ? UNREACHABLE : available ? 'ready' : said === null || stopping ? 'unready' : said;
  return {
    url,
    wallet: answer?.node.tee_wallet ?? listedWallet,
    state,
    reason: silence ?? (stopping ? 'it is stopping' : (answer?.readiness.reason ?? null)),
    since_ms: answer?.readiness.since_ms ?? null,
    next_tick_in_ms: answer?.readiness.next_tick_in_ms ?? null,
    last_tick: answer?.readiness.last_tick.outcome ?? null,
    members: answer?.cluster.total_instances ?? null,
    membership_block: answer?.cluster.membership_block ?? null,
    master_secret_hash: answer?.cluster.master_secret_hash ?? null,
    first_snapshot: answer?.first_snapshot ?? null,
    sure: answer?.sureness.sure ?? null,
    waits_for: (answer?.sureness.waits_for ?? []).flatMap((wallet) => (wallet === null ? [] : [urls.get(wallet) ?? wallet])),
    keys: answer?.data_store.total_keys ?? null,
    bytes: answer?.data_store.total_bytes ?? null,
    peers_behind: (answer?.replication.peers ?? []).map((peer) => peerReport(peer, urls)).filter(({ records, error }) => records > 0 || error !== null),
  };
}

type Peer = NonNullable<SurveyedNode['answer']>['replication']['peers'][number];

function peerReport(peer: Peer, urls: ReadonlyMap<string, string>): PeerReport {
  const { last_error: error, last_error_ms: failedMs, last_success_ms: doneMs } = peer;
  return {
    wallet: peer.wallet,
    url: peer.wallet === null ? null : (urls.get(peer.wallet) ?? null),
    records: peer.behind_by.records ?? 0,
    bytes: peer.behind_by.bytes ?? 0,
    error: failedMs !== null && failedMs > (doneMs ?? -Infinity) ? error : null,
    next_try_ms: peer.next_try_ms,
  };
}

function counted<Of extends object>(items: readonly Of[]): readonly Counted<Of>[] {
  const byText = new Map<string, Counted<Of>>();
  for (const item of items) {
    const text = JSON.stringify(item);
    byText.set(text, { ...item, nodes: (byText.get(text)?.nodes ?? 0) + 1 });
  }
  return [...byText.values()].sort((a, b) => b.nodes - a.nodes);
}

/**
 * Where `--watch` cannot redraw the screen, it prints a new block only when this key changes. Figures that change all the time are left
 * out of the key.
 */
export function changeKey({ nodes, master_secret_hashes: hashes, kms_apps: apps, nodes_left_out: leftOut }: ClusterReport): string {
  return JSON.stringify({
    apps: apps.map(({ app_id: appId, kms_registry: registry }) => `${appId} ${registry}`).sort(),
    hashes: hashes.map(({ hash }) => hash).sort(),
    leftOut,
    nodes: nodes.map(({ url, state, reason, members, master_secret_hash: hash, sure, waits_for: waitsFor, peers_behind: behind }) => [url, state, reason, members, hash, sure, waitsFor, behind.map(({ wallet, error }) => `${wallet ?? ''} ${error ?? ''}`).sort()]),
  });
}
