/** The bodies of `GET /status` and `GET /nodes` (protocol.md §2, §10), for operators. They use only data in memory and contain no secret. */
import type { Faults } from '../domain/failure-log.ts';
import type { ChainFigures, ProbeFigures, ReplicationFigures, StoreFigures, SurenessFigures } from '../domain/figures.ts';
import type { Wallet } from '../domain/ids.ts';
import type { InstanceStatus, Member } from '../domain/membership.ts';
import type { Identity, PeerDirectory } from '../domain/ports.ts';
import type { SecretState } from '../domain/readiness.ts';
import { reasonLine } from '../domain/reasons.ts';
import type { NodeStatus, PeerStatus } from '../domain/status.ts';
import type { GateModules } from './gate.ts';

export interface StatusOptions {
  readonly kmsAppId: number;
  readonly kmsRegistry: Wallet;
}

export interface StatusModules extends GateModules {
  readonly directory: PeerDirectory;
  /** Null until the enclave has reported the identity of this node. */
  readonly identity: () => Identity | null;
  readonly ownUrl: () => string;
  /** The state of the secret, and the member that it came from. */
  readonly masterSecret: () => { readonly state: SecretState; readonly from: Wallet | null };
  readonly chain: () => ChainFigures;
  readonly probeOf: (wallet: Wallet) => ProbeFigures | null;
  readonly storeTotals: () => StoreFigures;
  readonly sureness: () => SurenessFigures;
  /** How far each peer lags behind the writes of this node. */
  readonly peers: () => readonly ReplicationFigures[];
  readonly faults: () => Faults;
}

const STATUS_VALUE: Readonly<Record<InstanceStatus, number>> = { ACTIVE: 0, STOPPED: 1, FAILED: 2, UNKNOWN: 255 };

/**
 * Maximum number of listed entries that the membership has dropped. Peers read at most 64 KiB of a status, and this limit keeps the
 * answer below that size.
 */
const MAX_DROPPED_LISTED = 100;

/** Maximum number of listed peers. This limit also keeps the answer below 64 KiB. */
const MAX_LISTED_PEERS = 50;

export function statusBody(options: StatusOptions, modules: StatusModules): NodeStatus {
  const view = modules.readiness();
  const identity = modules.identity();
  const membership = modules.directory.membership();
  const members = membership?.members ?? [];
  const totals = modules.storeTotals();
  const secret = modules.masterSecret();
  const chain = modules.chain();
  const ageMs = modules.directory.ageMs();
  return {
    node: {
      tee_wallet: identity?.wallet ?? null,
      tee_pubkey: identity?.teePubkey ?? null,
      node_url: modules.ownUrl(),
      is_operator: members.some(({ wallet }) => wallet === identity?.wallet),
      service_available: view.state === 'ready' && !modules.isStopping(),
      master_secret: { state: secret.state, synced_from: secret.from },
      master_secret_initialized: view.secretConfirmed,
    },
    readiness: {
      state: view.state,
      reason: view.reason === null ? null : reasonLine(view.reason),
      since_ms: view.sinceMs,
      last_tick:
        view.lastTick === null
          ? null
          : {
              started_at_ms: view.lastTick.startedAtMs,
              duration_ms: view.lastTick.durationMs,
              outcome: view.lastTick.outcome,
            },
      next_tick_in_ms: view.nextTickInMs,
      ticks: view.ticks,
      sync_ticks: view.syncTicks,
    },
    first_snapshot: view.firstSnapshot,
    sureness: surenessBody(modules.sureness()),
    faults: faultsBody(modules.faults()),
    cluster: {
      kms_app_id: options.kmsAppId,
      registry_address: options.kmsRegistry,
      total_instances: members.length,
      master_secret_hash: view.confirmedHash,
      membership_block: membership === null ? null : Number(membership.block),
      membership_age_ms: Number.isFinite(ageMs) ? ageMs : null,
      view_age_ms: chain.viewAgeMs,
      chain_failing: chain.failing === null ? null : { since_ms: chain.failing.sinceMs, why: chain.failing.why },
      dropped: membership?.dropped.slice(0, MAX_DROPPED_LISTED) ?? [],
      dropped_count: membership?.dropped.length ?? 0,
    },
    replication: replicationBody(modules.peers()),
    data_store: {
      namespaces: totals.namespaces,
      total_keys: totals.totalKeys,
      total_bytes: totals.totalBytes,
      held_bytes: totals.heldBytes,
      refused_full: totals.refusedFull,
      root: totals.rootDigest,
      left_out_keys: totals.leftOut,
    },
  };
}

function faultsBody({ count, last }: Faults): NodeStatus['faults'] {
  return { count, last: last === null ? null : { at_ms: last.atMs, where: last.where, code: last.code } };
}

function surenessBody({ sure, by, waitsFor }: SurenessFigures): NodeStatus['sureness'] {
  return { sure, by, waits_for: waitsFor.slice(0, MAX_LISTED_PEERS) };
}

/** The peers that are furthest behind, at most `MAX_LISTED_PEERS`. */
function replicationBody(peers: readonly ReplicationFigures[]): NodeStatus['replication'] {
  const byBacklog = [...peers].sort((a, b) => b.behindRecords - a.behindRecords);
  return { peers: byBacklog.slice(0, MAX_LISTED_PEERS).map(peerBody), total: peers.length };
}

function peerBody(peer: ReplicationFigures): PeerStatus {
  return {
    wallet: peer.wallet,
    acknowledged_up_to: peer.acknowledgedUpTo,
    behind_by: { records: peer.behindRecords, bytes: peer.behindBytes },
    last_success_ms: peer.lastSuccessMs,
    last_error: peer.lastError,
    last_error_ms: peer.lastErrorMs,
    clock_lead_ms: peer.clockLeadMs,
    next_try_ms: peer.nextTryMs,
    waiting_retries: peer.waitingRetries,
    refused: peer.refused,
    left_out: peer.leftOut,
  };
}

function operatorBody(member: Member, modules: StatusModules): object {
  const { instance } = member;
  const probe = modules.probeOf(member.wallet);
  return {
    operator: member.wallet,
    instance: {
      instance_id: Number(instance.id),
      app_id: Number(instance.appId),
      version_id: Number(instance.versionId),
      operator: instance.operator,
      instance_url: instance.url,
      tee_wallet: instance.wallet,
      zk_verified: instance.zkVerified,
      instance_status: { value: STATUS_VALUE[instance.status], name: instance.status },
      registered_at: Number(instance.registeredAt),
    },
    connection: {
      in_peer_cache: true,
      cached_status: instance.status,
      status_endpoint_reachable: probe?.reachable ?? null,
      status_endpoint_http_code: probe?.httpCode ?? null,
      status_probe_ms: probe?.durationMs ?? null,
      status_checked_at_ms: probe?.checkedAtMs ?? null,
    },
  };
}

export function nodesBody(modules: StatusModules): object {
  const members = modules.directory.membership()?.members ?? [];
  return { operators: members.map((member) => operatorBody(member, modules)), count: members.length };
}
