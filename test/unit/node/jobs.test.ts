/** The jobs that the machine of a node runs (protocol.md §1, §10). Each step runs with a real vault and small fakes of the other ports. */
import { describe, expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { keccak256 } from '../../../src/crypto/hash.ts';
import { p384FromScalar } from '../../../src/crypto/p384.ts';
import { sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import { DependencyError, InvariantError } from '../../../src/domain/errors.ts';
import { FailureLog } from '../../../src/domain/failure-log.ts';
import { ZERO_HASH, type Hash32, type TeePubkey, type Wallet } from '../../../src/domain/ids.ts';
import type { ChainView, ClaimReport, HashReading, Member } from '../../../src/domain/membership.ts';
import type { Chain, Enclave } from '../../../src/domain/ports.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { ChainWatch } from '../../../src/node/chain-watch.ts';
import { NodeIdentity } from '../../../src/node/identity.ts';
import { NodeJobs, type NodeJobsModules } from '../../../src/node/jobs.ts';
import { MasterSecret } from '../../../src/node/master-secret.ts';
import { judgeEligibility } from '../../../src/registry/eligibility.ts';
import { PeerCache } from '../../../src/registry/peer-cache.ts';
import { Resync } from '../../../src/sync/resync.ts';
import { Staleness } from '../../../src/sync/staleness.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const OWN = `0x${'0a'.repeat(20)}` as Wallet;
const PEER = `0x${'0b'.repeat(20)}` as Wallet;
const PUBKEY = 'aa'.repeat(120) as TeePubkey;
const TRANSACTION = `0x${'dd'.repeat(32)}` as Hash32;
const SIGNAL = new AbortController().signal;
const REFUSED = new DependencyError('chain', 'unreachable', 'the RPC cannot be read');

function secret(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

function hashOf(value: number): Hash32 {
  return keccak256(secret(value));
}

function unused(): never {
  throw new InvariantError('the test did not provide this port');
}

function walletsOf(members: readonly Member[]): Wallet[] {
  return members.map(({ wallet }) => wallet);
}

interface Given {
  readonly members?: readonly Member[];
  readonly chain?: Partial<Chain>;
  readonly enclave?: Partial<Enclave>;
  readonly modules?: Partial<NodeJobsModules>;
}

/** Jobs with a scripted chain. `world.hash` is the hash that a tick reads. `world.head` is the hash at the head. */
function startJobs({ members = [memberOf(OWN, PUBKEY), memberOf(PEER, PUBKEY)], chain = {}, enclave = {}, modules = {} }: Given = {}) {
  const clock = new ManualClock();
  const random = new SeededRandom('jobs');
  const vault = new Vault({ random });
  const peerCache = new PeerCache({ clock });
  const log = collectingLog();
  const world = {
    hash: { kind: 'read', hash: ZERO_HASH } as HashReading,
    head: ZERO_HASH,
    claim: { kind: 'pending', transactionHash: TRANSACTION } as ClaimReport,
    nextSecret: 1,
    headBlock: 100n,
    /** Whether a claim of this node set the hash. */
    hasClaimed: false,
  };
  const seen = { claims: [] as Hash32[], resets: 0, members: [] as string[][], randoms: 0, receipts: 0, ticks: [] as [number, boolean][], rounds: 0, sureOf: [] as Wallet[][], asked: [] as Wallet[][] };
  const view = (): ChainView => ({ block: 94n, timestampMs: 0, head: world.headBlock, membership: { block: 94n, members: [...members], dropped: [] }, hash: world.hash });
  const identity = new NodeIdentity({ clock, enclave: { address: async () => OWN, publicKey: async () => PUBKEY, ...enclave }, onOtherWallet: () => undefined });
  const master = new MasterSecret({
    vault,
    emptyStore: () => {
      seen.resets += 1;
    },
  });
  const wholeChain: Chain = {
    readView: async () => view(),
    readHash: async () => unused(),
    readHeadHash: async () => world.head,
    claim: async (hash) => {
      seen.claims.push(hash);
      return world.claim;
    },
    hasClaimed: async () => {
      seen.receipts += 1;
      return world.hasClaimed;
    },
    ...chain,
  };
  const jobs = new NodeJobs({
    log,
    failures: new FailureLog({ clock }),
    chain: wholeChain,
    chainWatch: new ChainWatch({ peerCacheTtlMs: 180_000, maxAgeMs: 120_000, outageMs: 900_000, nodeTickMs: 60_000 }, { clock, log, chain: wholeChain, peerCache }),
    directory: peerCache,
    identity,
    secret: master,
    vault,
    enclave: {
      random: async () => {
        seen.randoms += 1;
        return secret(world.nextSecret++);
      },
      ...enclave,
    },
    judgeEligibility: () => null,
    mayClaim: (own) => own?.versionStatus === 'ENROLLED',
    secretFetch: { fetchMasterSecret: unused },
    snapshotFetch: { fetchFirstSnapshot: unused },
    probe: { probePeers: unused },
    replicator: { syncTick: unused },
    staleness: { isStale: () => false },
    resync: { begin: () => undefined, complete: async () => undefined, giveUp: () => undefined },
    sureness: {
      noteTick: (others, claimedHere) => void seen.ticks.push([others.length, claimedHere]),
      noteMembers: (others) => void seen.sureOf.push(walletsOf(others)),
    },
    sureRound: { beforeReady: async () => void (seen.rounds += 1), whileReady: async (others) => void seen.asked.push(walletsOf(others)) },
    onBrokenInvariant: (error) => {
      throw error;
    },
    onMembership: (now) => seen.members.push(walletsOf(now)),
    ...modules,
  });
  /** Gives this node a secret before the first tick, as `MASTER_SECRET_HEX` does. */
  const give = (value: number): void => master.holdCandidate(secret(value), 'given');
  /** Runs the first two steps, and returns what the chain hash means for the secret. */
  const look = async (hash?: Hash32) => {
    if (hash !== undefined) world.hash = { kind: 'read', hash };
    const facts = await jobs.readChain(SIGNAL);
    await jobs.checkEligibility(SIGNAL);
    return 'failed' in facts ? facts.failed : facts.hash;
  };
  const claim = async (report?: ClaimReport) => {
    if (report !== undefined) world.claim = report;
    await look(ZERO_HASH);
    return jobs.claimHash(SIGNAL);
  };
  return { clock, vault, peerCache, log, world, seen, identity, master, jobs, give, look, claim };
}

/** What a tick reports when the chain shows the hash of this secret. */
function confirmed(value: number, claimedHere = false) {
  return { kind: 'confirmed', store: { secret: hashOf(value), claimedHere } };
}

describe('step 1, the membership', () => {
  test('is stored in the peer cache, and passed to the modules that keep data about peers', async () => {
    const { jobs, peerCache, seen } = startJobs();
    expect(await jobs.readChain(SIGNAL)).toEqual({ block: 94, blockMs: 0, members: 2, hash: { kind: 'unset' } });
    expect(peerCache.membership()?.members).toHaveLength(2);
    // The node can tell the other members from itself only after the enclave has reported its wallet.
    await jobs.checkEligibility(SIGNAL);
    expect(seen.members).toEqual([[PEER]]);
  });

  test('that cannot be read leaves the peer cache unchanged', async () => {
    let reads = 0;
    const { jobs, peerCache, seen } = startJobs({ chain: { readView: async () => ((reads += 1) > 1 ? Promise.reject(REFUSED) : Promise.resolve(firstView)) } });
    const firstView: ChainView = { block: 9n, timestampMs: 0, head: 15n, membership: { block: 9n, members: [memberOf(PEER, PUBKEY)], dropped: [] }, hash: { kind: 'shallow' } };
    await jobs.readChain(SIGNAL);
    await expect(jobs.readChain(SIGNAL)).rejects.toBe(REFUSED);
    expect(peerCache.membership()).toBe(firstView.membership);
    expect(seen.members).toEqual([]);
  });

  test('that arrives after the step was aborted is not used', async () => {
    const { jobs, peerCache } = startJobs();
    await expect(jobs.readChain(AbortSignal.abort())).rejects.toThrow();
    expect(peerCache.membership()).toBeNull();
  });
});

describe('step 2, the eligibility', () => {
  test('is decided from a fresh answer from the enclave and from the view of this tick', async () => {
    let key = PUBKEY;
    const judged: string[] = [];
    const { jobs, identity } = startJobs({
      enclave: { publicKey: async () => key },
      modules: {
        judgeEligibility: (self, { block }) => {
          judged.push(`${self.wallet} ${self.teePubkey} ${block}`);
          return key === PUBKEY ? null : reason(REASONS.teePubkeyMismatch);
        },
      },
    });
    await jobs.readChain(SIGNAL);
    expect(await jobs.checkEligibility(SIGNAL)).toEqual({ eligible: true });
    key = 'bb'.repeat(120) as TeePubkey;
    expect(await jobs.checkEligibility(SIGNAL)).toEqual({ eligible: false, reason: reason(REASONS.teePubkeyMismatch) });
    expect(judged).toEqual([`${OWN} ${PUBKEY} 94`, `${OWN} ${key} 94`]);
    expect(identity.current()).toEqual({ wallet: OWN, teePubkey: key });
  });

  test('cannot be decided before the chain has been read: an attempt throws an InvariantError', async () => {
    await expect(startJobs().jobs.checkEligibility(SIGNAL)).rejects.toThrow(InvariantError);
  });
});

describe('step 1, the chain hash', () => {
  test.each<[string, HashReading, object]>([
    ['zero', { kind: 'read', hash: ZERO_HASH }, { kind: 'unset' }],
    ['the hash of a secret that this node does not hold', { kind: 'read', hash: hashOf(9) }, { kind: 'wanted' }],
    ['not deep enough', { kind: 'shallow' }, { kind: 'shallow' }],
  ])('is reported when it is %s', async (_, reading, facts) => {
    const { world, look } = startJobs();
    world.hash = reading;
    expect(await look()).toEqual(facts);
  });

  test.each([ZERO_HASH, hashOf(9)])('that is not the hash of the serving secret makes that secret stop serving immediately, even if the tick fails later (%s)', async (other) => {
    const { jobs, world, vault, give, look, seen } = startJobs();
    give(7);
    await look(hashOf(7));
    expect(vault.servingHash()).toBe(hashOf(7));
    world.hash = { kind: 'read', hash: other };
    await jobs.readChain(SIGNAL);
    expect(vault.servingHash()).toBeNull();
    // After a reorganisation, the chain shows the hash again. The secret serves again, and the store is unchanged.
    expect(await look(hashOf(7))).toEqual(confirmed(7));
    expect([vault.servingHash(), seen.resets]).toEqual([hashOf(7), 0]);
  });

  test('that is no longer deep enough does not affect the secret', async () => {
    const { world, vault, give, look } = startJobs();
    give(7);
    await look(hashOf(7));
    world.hash = { kind: 'shallow' };
    expect(await look()).toEqual({ kind: 'shallow' });
    expect(vault.servingHash()).toBe(hashOf(7));
  });

  test('is read again at the same block, at most twice, if it cannot be read', async () => {
    const blocks: bigint[] = [];
    const again: HashReading[] = [{ kind: 'unreadable', detail: 'lost' }, { kind: 'read', hash: hashOf(9) }];
    const { world, look, clock } = startJobs({
      chain: {
        readHash: async (block) => {
          blocks.push(block);
          return again.shift()!;
        },
      },
    });
    world.hash = { kind: 'unreadable', detail: 'lost' };
    const looked = look();
    await clock.advance(1_000);
    expect(await looked).toEqual({ kind: 'wanted' });
    expect(blocks).toEqual([94n, 94n]);
  });

  test('that stays unreadable is reported and changes nothing', async () => {
    const { world, look, clock, vault, give } = startJobs({ chain: { readHash: async () => ({ kind: 'unreadable', detail: 'the hash is malformed' }) } });
    give(9);
    await look(hashOf(9));
    world.hash = { kind: 'unreadable', detail: 'lost' };
    const looked = look();
    await clock.advance(1_000);
    expect(await looked).toEqual(reason(REASONS.cannotReadHash, 'the hash is malformed'));
    expect(vault.servingHash()).toBe(hashOf(9));
  });

  test('of a secret that this node holds confirms that secret, and the next tick changes nothing', async () => {
    const { give, look, seen } = startJobs();
    give(9);
    expect(await look(hashOf(9))).toEqual(confirmed(9));
    expect(await look(hashOf(9))).toEqual(confirmed(9));
    expect(seen.resets).toBe(0);
  });

  test('of a different secret that this node holds empties the store', async () => {
    const { give, look, seen } = startJobs();
    give(8);
    await look(hashOf(8));
    await look(ZERO_HASH);
    give(9);
    expect(await look(hashOf(9))).toEqual(confirmed(9));
    expect(seen.resets).toBe(1);
  });
});

describe('step 3, the claim', () => {
  test.each<[string, ClaimReport, object]>([
    ['waits in the mempool', { kind: 'pending', transactionHash: TRANSACTION }, { reason: reason(REASONS.awaitingHash), progress: TRANSACTION }],
    ['is refused', { kind: 'refused', detail: 'NotAuthorizedToSetHash' }, { reason: reason(REASONS.failedToSetHash, 'NotAuthorizedToSetHash'), progress: '' }],
    ["came after another node's claim", { kind: 'head_shows', hash: hashOf(9) }, { reason: reason(REASONS.hashNotDeepEnough, 'claimed by another node'), progress: 'head 100' }],
    ['is visible at the head', { kind: 'head_shows', hash: hashOf(1) }, { reason: reason(REASONS.hashNotDeepEnough, 'claimed here'), progress: 'head 100' }],
  ])('that %s is reported', async (_, report, facts) => {
    expect(await startJobs().claim(report)).toEqual(facts);
  });

  test('makes a candidate only once, and sends its hash in every tick', async () => {
    const { claim, seen, vault } = startJobs();
    for (let tick = 0; tick < 3; tick += 1) await claim();
    expect(seen).toMatchObject({ claims: [hashOf(1), hashOf(1), hashOf(1)], randoms: 1 });
    expect(vault.servingHash()).toBeNull();
  });

  test('uses the configured secret if there is one', async () => {
    const { claim, seen, give } = startJobs();
    give(7);
    await claim();
    expect(seen).toMatchObject({ claims: [hashOf(7)], randoms: 0 });
  });

  test.each<[string, readonly Member[]]>([
    ['a deprecated version', [{ ...memberOf(OWN, PUBKEY), versionStatus: 'DEPRECATED' }]],
    ['no entry in the membership', [memberOf(PEER, PUBKEY)]],
  ])('is not attempted by a node with %s, and no candidate is made', async (_, members) => {
    const { claim, seen } = startJobs({ members });
    expect(await claim()).toEqual({ reason: reason(REASONS.versionMayNotClaim), progress: '' });
    expect(seen).toMatchObject({ claims: [], randoms: 0 });
  });

  test('waits until the enclave has returned random bytes', async () => {
    let calls = 0;
    const { claim, seen } = startJobs({
      enclave: { random: async () => ((calls += 1) === 1 ? Promise.reject(new DependencyError('enclave', 'timeout', 'silent')) : Promise.resolve(secret(5))) },
    });
    expect(await claim()).toEqual({ reason: reason(REASONS.cannotGetRandom, 'silent'), progress: '' });
    expect(seen.claims).toEqual([]);
    await claim();
    expect(seen.claims).toEqual([hashOf(5)]);
  });

  test('throws an InvariantError when the enclave returns random bytes of the wrong length', async () => {
    const { claim, seen } = startJobs({ enclave: { random: async () => new Uint8Array(16) } });
    await expect(claim()).rejects.toThrow(InvariantError);
    expect(seen.claims).toEqual([]);
  });

  test('is recognized as a claim of this node when the chain shows it', async () => {
    const { claim, look } = startJobs();
    await claim();
    expect(await look(hashOf(1))).toEqual(confirmed(1, true));
  });

  test('is recognized as a claim of this node even if the answer to it was lost, because no other node has the secret', async () => {
    const { claim, look } = startJobs({ chain: { claim: () => Promise.reject(REFUSED) } });
    await expect(claim()).rejects.toBe(REFUSED);
    expect(await look(hashOf(1))).toEqual(confirmed(1, true));
  });

  test.each<[string, ClaimReport]>([
    ['is visible at the head', { kind: 'head_shows', hash: hashOf(7) }],
    ['is pending', { kind: 'pending', transactionHash: TRANSACTION }],
  ])('of a configured secret counts as a claim of this node only if a transaction of this node set the hash (a claim that %s)', async (_, report) => {
    // Other nodes may have the same configured secret.
    for (const hasClaimed of [false, true]) {
      const { claim, look, give, world } = startJobs();
      give(7);
      await claim(report);
      world.hasClaimed = hasClaimed;
      expect(await look(hashOf(7))).toEqual(confirmed(7, hasClaimed));
    }
  });

  test('of a configured secret is not recognized as a claim of this node when its receipt cannot be read', async () => {
    const { claim, look, give } = startJobs({ chain: { hasClaimed: () => Promise.reject(REFUSED) } });
    give(7);
    await claim();
    expect(await look(hashOf(7))).toEqual(confirmed(7));
  });

  test('that has disappeared from the head is never repeated: the node claims a fresh secret', async () => {
    const { claim, seen, world } = startJobs();
    world.head = hashOf(1);
    await claim({ kind: 'head_shows', hash: hashOf(1) });
    await claim({ kind: 'head_shows', hash: hashOf(1) });
    world.head = ZERO_HASH;
    await claim({ kind: 'pending', transactionHash: TRANSACTION });
    expect(seen).toMatchObject({ claims: [hashOf(1), hashOf(1), hashOf(2)], randoms: 2 });
  });

  test('that was mined, and whose hash was reset between two reads, is never repeated: the node claims a fresh secret', async () => {
    const { claim, look, seen } = startJobs();
    await claim({ kind: 'pending', transactionHash: TRANSACTION });
    expect(await claim({ kind: 'was_reset', transactionHash: TRANSACTION })).toEqual({
      reason: reason(REASONS.awaitingHash, 'the claimed hash was reset'),
      progress: TRANSACTION,
    });
    await claim({ kind: 'pending', transactionHash: TRANSACTION });
    expect(seen).toMatchObject({ claims: [hashOf(1), hashOf(1), hashOf(2)], randoms: 2 });
    // After a reorganisation, the chain may still show the first claim.
    expect(await look(hashOf(1))).toEqual(confirmed(1));
  });

  test('whose hash was reset at the head is still confirmed if the chain shows the hash at the required depth', async () => {
    const { claim, look, world } = startJobs();
    await claim({ kind: 'head_shows', hash: hashOf(1) });
    world.head = ZERO_HASH;
    await claim({ kind: 'pending', transactionHash: TRANSACTION });
    expect(await look(hashOf(1))).toEqual(confirmed(1));
  });

  test('that has not reached the head yet is sent again while the hash at the head is zero', async () => {
    const { claim, seen } = startJobs();
    await claim();
    await claim();
    expect(seen).toMatchObject({ claims: [hashOf(1), hashOf(1)], randoms: 1 });
  });

  test('uses a fresh secret after the confirmed hash was reset', async () => {
    const { claim, look, seen } = startJobs();
    await claim();
    await look(hashOf(1));
    await claim();
    expect(seen.claims).toEqual([hashOf(1), hashOf(2)]);
  });

  test('throws an InvariantError if the enclave has not reported the wallet of this node yet', async () => {
    const { jobs } = startJobs();
    await jobs.readChain(SIGNAL);
    await expect(jobs.claimHash(SIGNAL)).rejects.toThrow(InvariantError);
  });

  test('never writes the secret into the log', async () => {
    const { claim, look, log } = startJobs();
    await claim();
    await look(hashOf(1));
    expect(log.lines.length).toBeGreaterThan(2);
    expect(JSON.stringify(log.lines)).not.toContain(Buffer.from(secret(1)).toString('hex'));
  });
});

describe('step 4, the secret', () => {
  /** A node that gets this secret from PEER when it requests the secret. */
  function startFetching(value: number) {
    const asked: string[][] = [];
    const started = startJobs({
      modules: {
        secretFetch: {
          fetchMasterSecret: async (others) => {
            asked.push(others.map(({ wallet }) => wallet));
            const { master } = started;
            const request = master.beginSecretRequest();
            const sealed = sealSecret(p384FromScalar('11'.repeat(48)), request.ecdhPubkey, new Uint8Array(12), secret(value));
            const received = master.receiveSecret(request, sealed, PEER);
            master.endSecretRequest(request);
            return received === 'installed' ? { kind: 'installed', from: PEER } : { kind: 'failed', reason: reason(REASONS.secretHashMismatch) };
          },
        },
      },
    });
    return { ...started, asked };
  }

  test('is requested from all members except this node, and its source is remembered', async () => {
    const { jobs, look, seen, master, asked } = startFetching(9);
    await look(hashOf(9));
    expect(await jobs.fetchSecret(SIGNAL)).toEqual({ kind: 'installed', store: { secret: hashOf(9), claimedHere: false } });
    expect(asked).toEqual([[PEER]]);
    expect(master.named()).toEqual({ state: 'synced', from: PEER });
    expect(seen.resets).toBe(0);
    expect(await look(hashOf(9))).toEqual(confirmed(9));
    expect(master.named()).toEqual({ state: 'synced', from: PEER });
  });

  test('that replaces a different secret empties the store', async () => {
    const { jobs, give, look, seen, vault } = startFetching(9);
    give(8);
    await look(hashOf(8));
    await look(hashOf(9));
    expect(await jobs.fetchSecret(SIGNAL)).toMatchObject({ kind: 'installed' });
    expect([seen.resets, vault.heldHashes()]).toEqual([1, [hashOf(9)]]);
  });

  test('whose hash differs from the chain hash changes nothing, and the outcome contains the reason', async () => {
    const { jobs, look, seen, vault, master } = startFetching(5);
    await look(hashOf(9));
    expect(await jobs.fetchSecret(SIGNAL)).toEqual({ kind: 'failed', reason: reason(REASONS.secretHashMismatch) });
    expect([vault.servingHash(), vault.heldHashes(), seen.resets]).toEqual([null, [], 0]);
    expect(master.named()).toEqual({ state: 'uninitialized', from: null });
  });

  test('that is reported as installed but is not in the vault causes an InvariantError', async () => {
    const { jobs, look } = startJobs({ modules: { secretFetch: { fetchMasterSecret: async () => ({ kind: 'installed', from: PEER }) } } });
    await look(hashOf(9));
    await expect(jobs.fetchSecret(SIGNAL)).rejects.toThrow(InvariantError);
  });
});

describe('step 4, the first snapshot', () => {
  test('is not requested when there is no other member', async () => {
    const { jobs, look } = startJobs({ members: [memberOf(OWN, PUBKEY)] });
    await look();
    expect(await jobs.fetchSnapshot(SIGNAL)).toEqual({ others: 0, asked: 0, answered: 0, complete: false });
  });

  test('is not needed by a node that has become the only member: the node is no longer stale, because it can learn from no other member', async () => {
    const clock = new ManualClock();
    const ended: string[] = [];
    const staleness = new Staleness({ retentionMs: 1_000 }, { clock, lastSequenceNumber: () => 3, acknowledgedByAny: () => 3 });
    const store = { walk: unused, digestOf: unused, isUnseen: unused, forget: unused, forgetOverdue: () => void ended.push('overdue records are forgotten') };
    const onResynced = (): void => void ended.push('resynced');
    const resync = new Resync({ clock, yieldNow: async () => undefined, log: collectingLog(), staleness, store, onResynced });
    const members = [memberOf(OWN, PUBKEY), memberOf(PEER, PUBKEY)];
    const { jobs, give, look } = startJobs({ members, modules: { staleness, resync, onMembership: (others) => staleness.noteMembers(others.length) } });
    give(1);
    await look(hashOf(1));
    await clock.advance(2_000);
    members.pop();
    await look();
    expect([jobs.installSyncKey().stale, ended]).toEqual([true, []]);
    expect(await jobs.fetchSnapshot(SIGNAL)).toMatchObject({ others: 0 });
    expect([staleness.isStale(), ended]).toEqual([false, ['overdue records are forgotten', 'resynced']]);
  });

  test.each<[string, Wallet | null, boolean]>([
    ['is reported as complete if a member sent a complete snapshot', PEER, true],
    ['is reported as incomplete if no member sent a complete snapshot', null, false],
  ])('%s', async (_, completeFrom, complete) => {
    const { jobs, look, seen } = startJobs({ modules: { snapshotFetch: { fetchFirstSnapshot: async () => ({ asked: 1, answered: 1, completeFrom }) } } });
    await look();
    expect(await jobs.fetchSnapshot(SIGNAL)).toEqual({ others: 1, asked: 1, answered: 1, complete });
    // Before the node becomes ready, it asks the other members whether they are sure.
    expect(seen.rounds).toBe(1);
  });

  test('does not make the node ask the other members whether they are sure if no member sent a snapshot', async () => {
    const { jobs, look, seen } = startJobs({ modules: { snapshotFetch: { fetchFirstSnapshot: async () => ({ asked: 1, answered: 0, completeFrom: null }) } } });
    await look();
    await jobs.fetchSnapshot(SIGNAL);
    expect(seen.rounds).toBe(0);
  });
});

describe('step 5, the sync key', () => {
  test('is installed from the confirmed secret', async () => {
    const { jobs, vault, give, look } = startJobs();
    give(9);
    await look(hashOf(9));
    jobs.installSyncKey();
    expect(vault.hasSyncKey()).toBe(true);
  });

  test.each([true, false])('is installed, and the node reports how many other members there are and whether it claimed the hash (claimed: %s)', async (claimedHere) => {
    const { jobs, world, seen, give, claim, look } = startJobs();
    give(9);
    if (claimedHere) await claim();
    world.hasClaimed = claimedHere;
    await look(hashOf(9));
    jobs.installSyncKey();
    expect(seen.ticks).toEqual([[1, claimedHere]]);
  });

  test('cannot be installed without a confirmed secret: an attempt throws an InvariantError', () => {
    expect(() => startJobs().jobs.installSyncKey()).toThrow(InvariantError);
  });
});

test('all members except this node are probed', async () => {
  const probed: string[][] = [];
  const { jobs, look } = startJobs({ modules: { probe: { probePeers: async (peers) => void probed.push(walletsOf(peers)) } } });
  await look();
  await jobs.probePeers(SIGNAL);
  expect(probed).toEqual([[PEER]]);
});

describe('the membership before outbound work', () => {
  /** Reads of the chain that wait until the test lets them end. */
  function startReading() {
    const reads: ReturnType<typeof Promise.withResolvers<undefined>>[] = [];
    const members = [memberOf(OWN, PUBKEY), memberOf(PEER, PUBKEY)];
    const readView = async (): Promise<ChainView> => {
      const read = Promise.withResolvers<undefined>();
      reads.push(read);
      await read.promise;
      return { block: 94n, timestampMs: 0, head: 100n, membership: { block: 94n, members, dropped: [] }, hash: { kind: 'read', hash: ZERO_HASH } };
    };
    return { reads, ...startJobs({ members, chain: { readView } }) };
  }

  async function refreshed(started: ReturnType<typeof startReading>): Promise<void> {
    const refresh = started.jobs.readChain(SIGNAL);
    await settle();
    started.reads.at(-1)!.resolve(undefined);
    await refresh;
  }

  test('is read again and passed on only when it is older than PEER_CACHE_TTL_SECONDS', async () => {
    const started = startReading();
    const { jobs, clock, reads, seen, peerCache } = started;
    await refreshed(started);
    await clock.advance(180_000);
    await jobs.refreshForOutbound(SIGNAL);
    expect(reads).toHaveLength(1);
    await clock.advance(1);
    const refresh = jobs.refreshForOutbound(SIGNAL);
    reads[1]!.resolve(undefined);
    await refresh;
    expect([reads.length, seen.members.length, peerCache.ageMs()]).toEqual([2, 1, 0]);
  });

  test('is read once for all callers that need it during the read', async () => {
    const { jobs, reads } = startReading();
    const first = jobs.refreshForOutbound(SIGNAL);
    const second = jobs.refreshForOutbound(SIGNAL);
    await settle();
    expect(reads).toHaveLength(1);
    reads[0]!.resolve(undefined);
    await Promise.all([first, second]);
  });

  test('is not read for outbound work while a node_tick reads it, and a node_tick waits while outbound work reads it', async () => {
    const { jobs, reads } = startReading();
    const tick = jobs.readChain(SIGNAL);
    const outbound = jobs.refreshForOutbound(SIGNAL);
    await settle();
    expect(reads).toHaveLength(1);
    reads[0]!.resolve(undefined);
    await Promise.all([tick, outbound]);
    const again = startReading();
    const before = again.jobs.refreshForOutbound(SIGNAL);
    const later = again.jobs.readChain(SIGNAL);
    await settle();
    expect(again.reads).toHaveLength(1);
    again.reads[0]!.resolve(undefined);
    await before;
    await settle();
    expect(again.reads).toHaveLength(2);
    again.reads[1]!.resolve(undefined);
    await later;
  });

  test('stays as it was when a read fails, and is read again the next time', async () => {
    const started = startReading();
    const { jobs, clock, reads, peerCache } = started;
    await refreshed(started);
    await clock.advance(180_001);
    const failing = jobs.refreshForOutbound(SIGNAL);
    await settle();
    reads[1]!.reject(REFUSED);
    await expect(failing).rejects.toBe(REFUSED);
    expect(peerCache.membership()?.members).toHaveLength(2);
    const working = jobs.refreshForOutbound(SIGNAL);
    await settle();
    reads[2]!.resolve(undefined);
    await working;
    expect(peerCache.ageMs()).toBe(0);
  });
});

describe('members that are read between two node_ticks', () => {
  const THIRD = `0x${'0c'.repeat(20)}` as Wallet;

  /** A ready node whose membership changes from PEER to these members after its last node_tick. */
  async function startChanged(...after: readonly Wallet[]) {
    const members = [memberOf(OWN, PUBKEY), memberOf(PEER, PUBKEY)];
    const started = startJobs({ members, modules: { judgeEligibility } });
    await started.look();
    members.splice(0, members.length, ...after.map((wallet) => memberOf(wallet, PUBKEY)));
    await started.clock.advance(180_001);
    await started.jobs.refreshForOutbound(SIGNAL);
    return started;
  }

  test('replace the members that a ready node waits for, and are asked whether they are sure', async () => {
    const { jobs, seen } = await startChanged(OWN, THIRD);
    expect(seen.sureOf).toEqual([[THIRD]]);
    const replication = createActor(jobs.actors().replicate).start();
    await settle();
    replication.stop();
    expect(seen.asked).toEqual([[THIRD]]);
  });

  test('do not make this node the only member unless they include it', async () => {
    const { seen } = await startChanged();
    expect([seen.members.at(-1), seen.sureOf]).toEqual([[], []]);
  });
});
