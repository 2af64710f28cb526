/**
 * The table of mutants: faults that other implementations had (protocol.md §9), and mistakes that we could easily make. The code of a
 * mutant must run, but need not pass the type check.
 */
import type { FaultKind, Step } from '../../src/sim/scenario.ts';
import type { Mutant, Runs } from './mutant.ts';

/** All members are honest. Processes end, and new ones start. */
const RESTARTS: Runs = { faults: 'light', rates: { crash: { perHour: 30 }, loss: { perHour: 8 } } };
/** No faults, and many requests. */
const QUIET: Runs = { faults: 'none', requests: 2 };
/** Tombstones expire after one minute, and nodes are cut off for a longer time. */
const LONG_CUTS: Runs = {
  faults: 'none',
  hours: 0.5,
  requests: 0.6,
  rates: { partition: { perHour: 10, forSeconds: [80, 240] } },
  settings: { TOMBSTONE_RETENTION_MS: '60000' },
};
/**
 * Node c is cut off. Meanwhile, other nodes delete its writes, and the tombstones expire before c is connected again. While c is stale,
 * another node begins with an empty store.
 * @param name the node whose process ends while c is stale
 */
function backWhileAnotherBegins(name: string, crashSeconds: number): Runs {
  return cutOffWith(fault(crashSeconds, 'crash', name, 3));
}

const CUT_SECONDS = { at: 90, for: 150 } as const;

function request(seconds: number, what: 'put' | 'delete' | 'get' | 'list', node: string, key: string, bytes = 16): Step {
  return { atMs: seconds * 1_000, do: what, node, app: 0, key, bytes, ttlMs: 0, acks: 0 };
}

/** Steps that send this request to node c every second. */
function askC(what: 'get' | 'list', fromSeconds: number, toSeconds: number, key = ''): readonly Step[] {
  return Array.from({ length: toSeconds - fromSeconds }, (_, index) => request(fromSeconds + index, what, 'c', key));
}

/** Node c restarts with an empty store, while a caller keeps asking it for a list of keys. The other nodes hold two keys. */
function cBeginsAgain(settings: Readonly<Record<string, string>>, steps: readonly Step[]): Runs {
  const kept = [request(60, 'put', 'a', 'kept'), request(61, 'put', 'a', 'large', 4_000)];
  return { nodes: 3, faults: 'none', hours: 0.07, requests: 0, settings, steps: [...kept, fault(75, 'crash', 'c', 3), ...steps, ...askC('list', 80, 240)] };
}

function fault(seconds: number, kind: FaultKind, node: string, forSeconds: number): Step {
  return { atMs: seconds * 1_000, do: 'fault', kind, node, other: '', forMs: forSeconds * 1_000, amount: 0 };
}

function cutOffWith(companion: Step): Runs {
  const keys = ['deleted 1', 'deleted 2', 'deleted 3'];
  return {
    faults: 'none',
    hours: 0.1,
    requests: 0.1,
    settings: { TOMBSTONE_RETENTION_MS: '60000' },
    steps: [
      ...keys.map((key) => request(60, 'put', 'c', key)),
      fault(CUT_SECONDS.at, 'partition', 'c', CUT_SECONDS.for),
      ...keys.map((key) => request(100, 'delete', 'a', key)),
      companion,
    ],
  };
}

/** An RPC endpoint has a bad backend for longer than a new node may take to become ready. Half of all requests reach a good backend. */
function badBackend(kind: FaultKind, amount: readonly [number, number] = [0, 0]): Runs {
  return { faults: 'none', rates: { [kind]: { perHour: 40, forSeconds: [280, 400], amount }, crash: { perHour: 20, forSeconds: [2, 5] } } };
}

/** Strangers flood nodes through the platform's ingress. There is no other fault. */
const FLOODED: Runs = {
  nodes: 3,
  hours: 0.1,
  requests: 1,
  faults: 'none',
  rates: { 'flood without proof': { perHour: 40, forSeconds: [60, 180], amount: [30, 60] } },
};

/** In each flood, an app has the maximum number of unfinished requests to a node, through the platform's ingress. There is no other fault. */
const HELD: Runs = {
  nodes: 3,
  hours: 0.1,
  requests: 1,
  faults: 'none',
  rates: { 'flood of held requests': { perHour: 40, forSeconds: [80, 120], amount: [2, 4] } },
};

/** For a long time, a node's reads succeed but show the same old head. Restarted nodes ask this node for the secret. */
const OLD_VIEWS: Runs = {
  faults: 'none',
  requests: 0.05,
  rates: { 'chain head stands still': { perHour: 30, forSeconds: [400, 700] }, crash: { perHour: 60, forSeconds: [2, 5] } },
};

/** Faults of real RPCs that a node must handle (protocol.md §6). */
const REAL_CHAINS: readonly Mutant[] = [
  {
    name: 'view-goes-back',
    section: '§6',
    what: 'When the head moves back, the pinned block moves back too.',
    replace: [{ file: 'registry/pinned-block.ts', find: `seen.highest === null || block >= seen.highest`, put: `seen.highest === null || block >= 0n` }],
    runs: badBackend('backend lagging', [1, 200]),
  },
  {
    name: 'another-chain-believed',
    section: '§6',
    what: 'The chain id of the RPC is not checked: any chain is accepted.',
    replace: [{ file: 'registry/pinned-block.ts', find: `if (chainId !== null && shown.chainId !== chainId) {`, put: `if (shown.chainId === 0) {` }],
    runs: { faults: 'none', rates: { 'another chain': { perHour: 30 } } },
  },
  {
    name: 'block-ahead-believed',
    section: '§6',
    what: 'A view of a block whose time is ahead of the clock is accepted.',
    replace: [{ file: 'registry/pinned-block.ts', find: `if (aheadMs <= rules.maxClockSkewMs) return null;`, put: `if (aheadMs <= Infinity) return null;` }],
    runs: { faults: 'none', rates: { 'block times off': { perHour: 30, amount: [30, 120] } } },
  },
  {
    name: 'one-try-a-call',
    section: '§6',
    what: 'A failed call to the RPC is not retried.',
    replace: [{ file: 'registry/rpc-caller.ts', find: `export const CALL_ATTEMPTS = 6;`, put: `export const CALL_ATTEMPTS = 1;` }],
    runs: badBackend('backend dead'),
  },
  {
    name: 'retry-after-ignored',
    section: '§6',
    what: 'A call is retried before the time that the RPC gave in Retry-After.',
    replace: [{ file: 'registry/rpc-caller.ts', find: `if (askedMs > 0) putOff.untilMs =`, put: `if (askedMs > Infinity) putOff.untilMs =` }],
    runs: badBackend('backend busy', [1, 3]),
  },
  {
    name: 'refused-price-forgotten',
    section: '§6',
    what: 'A claim that was refused because of its low price is sent again at the next tick with the same price.',
    replace: [
      {
        file: 'registry/claim-sender.ts',
        find: `const last = this.#last === null ? null : {`,
        put: `const last = this.#last === null || this.#last.became !== 'taken' ? null : {`,
      },
    ],
    runs: { faults: 'none', rates: { 'claim underpriced': { perHour: 6, amount: [3, 6] }, 'hash reset': { perHour: 20 } } },
  },
  {
    name: 'tip-without-cap',
    section: '§6',
    what: 'A claim offers the tip that the RPC suggests, without an upper limit.',
    replace: [
      { file: 'registry/claim-plan.ts', find: `min(max(tip, MIN_TIP), maxTip)`, put: `max(tip, MIN_TIP)` },
      { file: 'registry/claim-plan.ts', find: `const capped = min(maxFeePerGas, MAX_FEE_PER_GAS);`, put: `const capped = maxFeePerGas;` },
    ],
    runs: { faults: 'none', rates: { 'absurd tip': { perHour: 6 }, 'hash reset': { perHour: 20 } } },
  },
  {
    name: 'unreadable-is-absent',
    section: '§6',
    what: 'An empty answer is taken to mean that the instance or version is absent, without a retry.',
    replace: [
      { file: 'registry/last-read.ts', find: `result?.ok === true || result?.why === 'reverted'`, put: `result !== undefined` },
      { file: 'registry/last-read.ts', find: `result.ok ? valueOf(result.value) : null`, put: `result?.ok === true ? valueOf(result.value) : null` },
      { file: 'registry/views.ts', find: `const ASKED = 6;`, put: `const ASKED = 1;` },
      { file: 'registry/views.ts', find: `const ASKED_AT_ONCE = 4;`, put: `const ASKED_AT_ONCE = 1;` },
    ],
    runs: badBackend('backend empty'),
  },
  {
    name: 'serves-by-an-outdated-view',
    section: '§6',
    what: 'A node stays ready even when its view is older than CHAIN_OUTAGE_SECONDS.',
    replace: [
      {
        file: 'machines/view-age.ts',
        find: `return view !== null && limits.outageMs > 0 && viewAgeMs(view, now, limits) > limits.outageMs;`,
        put: `return false;`,
      },
    ],
    runs: { faults: 'none', hours: 0.5, requests: 0.01, rates: { 'chain down': { perHour: 12, forSeconds: [1_100, 1_400] } } },
  },
  {
    name: 'failed-read-ends-ready',
    section: '§6',
    what: 'A ready node stops being ready at the first failed read of the chain.',
    replace: [
      {
        file: 'machines/view-age.ts',
        find: `return view === null || limits.outageMs === 0 || isOutdated(view, now, limits);`,
        put: `return true;`,
      },
    ],
    runs: badBackend('backend dead'),
  },
  {
    name: 'missing-multicall-for-ever',
    section: '§6',
    what: 'If the first answer is that Multicall3 does not exist, the node never asks again.',
    replace: [
      {
        file: 'registry/views.ts',
        find: `    if (this.#support.hasMulticall3) return;
    const code`,
        put: `    const support: MulticallSupport & { wasAsked?: true } = this.#support;
    if (support.wasAsked) return;
    support.wasAsked = true;
    const code`,
      },
    ],
    runs: { faults: 'none', rates: { 'backend without code': { perHour: 40, forSeconds: [60, 120] }, crash: { perHour: 40, forSeconds: [2, 5] } } },
  },
  {
    name: 'last-views-believed',
    section: '§6',
    what: 'When a read repeats the previous calls, any answer is treated as equal to the previous answer.',
    replace: [{ file: 'registry/views.ts', find: `(await bytesOf(early)) === last.answer`, put: `(await bytesOf(early)) !== undefined` }],
    runs: { faults: 'none', rates: { 'hash reset': { perHour: 20 } } },
  },
  {
    name: 'secret-by-an-old-view',
    section: '§6',
    what: 'The secret is handed out even when the view of the chain is too old.',
    replace: [
      {
        file: 'machines/view-age.ts',
        find: `return limits.maxAgeMs === 0 || viewAgeMs(view, now, limits) <= limits.maxAgeMs + limits.nodeTickMs;`,
        put: `return viewAgeMs(view, now, limits) < Infinity;`,
      },
    ],
    runs: OLD_VIEWS,
  },
  {
    name: 'refused-price-unchanged',
    section: '§6',
    what: 'A claim that was refused because of its low price is sent again with the same price.',
    replace: [
      { file: 'registry/claim-plan.ts', find: `(fee * RAISE_NUMERATOR) / RAISE_DENOMINATOR + 1n`, put: `fee` },
    ],
    runs: { faults: 'none', rates: { 'claim underpriced': { perHour: 6, amount: [3, 6] }, 'hash reset': { perHour: 20 } } },
  },
];

const NINE: readonly Mutant[] = [
  {
    name: 'install-before-compare',
    section: '§9.1',
    what: 'The first secret that can be opened is installed before it is compared with the chain.',
    replace: [
      {
        file: 'machines/secret-life.ts',
        find: `  if (!isWanted) return unchanged(life);`,
        put: `  if (!isWanted && life.stage === 'confirmed') return unchanged(life);`,
      },
    ],
    runs: { rates: { 'liar: wrong secret': { perHour: 8 }, crash: { perHour: 12 } } },
    seed: '5',
  },
  {
    name: 'unconfirmed-handed-out',
    section: '§9.2',
    what: 'A secret is handed out as soon as it exists, even if the chain does not show its hash.',
    replace: [
      {
        file: 'crypto/vault.ts',
        find: `    const secret = this.#servingSecret();
    const recipient = toDer(recipientDer);`,
        put: `    const held = [...this.#secrets.values()].at(-1);
    const secret = held === undefined ? this.#servingSecret() : { bytes: held };
    const recipient = toDer(recipientDer);`,
      },
      { file: 'http/gate.ts', find: `  if (!view.secretConfirmed) throw unavailable(view);`, put: `` },
    ],
  },
  {
    name: 'ready-without-snapshot',
    section: '§9.3',
    what: 'A node becomes ready although its first snapshot failed.',
    replace: [
      {
        file: 'machines/first-snapshot.ts',
        find: `  if (round.others === 0 || round.complete) return SNAPSHOT_COMPLETE;`,
        put: `  if (round.others === 0 || round.complete || before.state === 'missing') return SNAPSHOT_COMPLETE;`,
      },
    ],
    runs: RESTARTS,
  },
  {
    name: 'acknowledged-before-answer',
    section: '§9.4',
    what: 'The acknowledged sequence of a peer moves before the peer has answered.',
    replace: [
      {
        file: 'sync/push-plan.ts',
        find: `    return batch === null ? this.#planAgain(`,
        put: `    const sent = batch?.entries ?? [];
    progress.advance(sent.at(-1)?.sequenceNumber ?? 0, { records: sent.length, bytes: sent.reduce((sum, entry) => sum + entry.bytes, 0) });
    return batch === null ? this.#planAgain(`,
      },
      {
        file: 'sync/push-plan.ts',
        find: `    progress.advance(last, { records: passed.length, bytes });\n`,
        put: ``,
      },
    ],
  },
  {
    name: 'one-acknowledged-sequence-for-all',
    section: '§9.4',
    what: 'All peers share one acknowledged sequence: a write that one peer has acknowledged is not sent to the other peers.',
    replace: [
      {
        file: 'sync/progress.ts',
        find: `    this.#stopListening = this.#writes.listen(this);`,
        put: `    this.#stopListening = this.#writes.listen(this);
    const siblings = SIBLINGS.get(this.#writes) ?? new Set();
    SIBLINGS.set(this.#writes, siblings.add(this));`,
      },
      {
        file: 'sync/progress.ts',
        find: `    this.#acknowledgedSequence = Math.max(this.#acknowledgedSequence, upTo);
    this.#count(-passed.records, -passed.bytes);
    this.#highestAcknowledged = Math.max(this.#highestAcknowledged, this.#acknowledgedSequence);`,
        put: `    for (const sibling of SIBLINGS.get(this.#writes)) {
      sibling.#acknowledgedSequence = Math.max(sibling.#acknowledgedSequence, upTo);
      sibling.#highestAcknowledged = Math.max(sibling.#highestAcknowledged, sibling.#acknowledgedSequence);
      sibling.#behind = { records: [...this.#writes.after(sibling.#acknowledgedSequence)].length, bytes: 0 };
    }`,
      },
      { file: 'sync/progress.ts', find: `export class Progress implements`, put: `const SIBLINGS = new WeakMap();\n\nexport class Progress implements` },
    ],
  },
  {
    name: 'members-one-by-one',
    section: '§9.5',
    what: 'Members are asked for the secret one after another without a time limit.',
    replace: [
      { file: 'sync/hedged.ts', find: `    timer = clock.setTimeout(startNext, options.headStartMs);`, put: `    timer = null;` },
      { file: 'sync/hedged.ts', find: `    if (running >= options.maxParallel) return;`, put: `    if (running >= 1) return;` },
      { file: 'sync/secret-fetch.ts', find: `timeoutMs: PEER_TIMEOUT_MS.secret`, put: `timeoutMs: 2 ** 31` },
      { file: 'machines/limits.ts', find: `fetchingSecret: 60_000`, put: `fetchingSecret: 2 ** 31` },
    ],
    runs: { nodes: 4, faults: 'light', rates: { 'liar: silence': { perHour: 6, forSeconds: [300, 600] }, crash: { perHour: 20 } } },
  },
  {
    name: 'lanes-one-by-one',
    section: '§9.5',
    what: 'A node pushes to one peer after another, so a silent peer delays the pushes to the others.',
    replace: [{ file: 'sync/replicator.ts', find: `const MAX_LANES_AT_WORK = 32;`, put: `const MAX_LANES_AT_WORK = 1;` }],
    runs: { requests: 1, faults: 'none', rates: { 'liar: silence': { perHour: 12, forSeconds: [60, 180] } } },
    seed: '5',
  },
  {
    name: 'sync-body-limit',
    section: '§9.6',
    what: '/sync refuses a body as too large even though the API for apps accepts the value in the body.',
    replace: [{ file: 'http/sync-route.ts', find: `readBody(options.maxSyncPayloadBytes)`, put: `readBody(128 * 1024)` }],
    runs: QUIET,
  },
  {
    name: 'evicts-over-quota',
    section: '§9.7',
    what: 'When an app exceeds its quota, its oldest records are evicted without an error.',
    replace: [
      {
        file: 'store/record-store.ts',
        find: `    if (refusal !== null) throw new RefusalError('insufficient_storage', refusal);`,
        put: `    if (refusal === null) return;
    for (const { record: old } of this.walk({ app: appId })) {
      const oldest = this.#contents.find(appId, old.key)!;
      if (oldest !== held) this.#remove(oldest);
      if (why() === null) return;
    }`,
      },
    ],
    runs: { faults: 'light', requests: 1, settings: { MAX_APP_STORAGE_BYTES: '4096' } },
  },
  {
    name: 'cleanup-scans-all',
    section: '§9.8',
    what: 'Cleanup looks at every record on each access.',
    replace: [
      {
        file: 'store/record-store.ts',
        find: `    this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    const held = this.#contents.find(appId, key);
    const write`,
        put: `    for (const step of this.walk({})) void step;
    this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    const held = this.#contents.find(appId, key);
    const write`,
      },
    ],
    runs: { faults: 'none', apps: 12, requests: 3 },
  },
  {
    name: 'loser-clock-dropped',
    section: '§9.9',
    what: 'When two records are concurrent, the clock of the losing record is dropped.',
    replace: [
      { file: 'store/merge-rules.ts', find: `record: { ...incoming, version } }`, put: `record: incoming }` },
      { file: 'store/merge-rules.ts', find: `record: { key, value, version, updatedAtMs, ttlMs }, why }`, put: `record: held, why }` },
    ],
    runs: { requests: 1 },
  },
  {
    name: 'malformed-spoils-batch',
    section: '§9.10',
    what: 'One malformed record makes the node refuse the whole batch.',
    replace: [
      {
        file: 'sync/merge-batch.ts',
        find: `      onVerdict?.(appId, wire, verdict);`,
        put: `      if (verdict.kind === 'rejected' && verdict.why === 'malformed') throw new RefusalError('bad_request', 'a record is malformed');
      onVerdict?.(appId, wire, verdict);`,
      },
    ],
    runs: { rates: { 'liar: poisoned delta': { perHour: 6 } } },
    seed: '5',
  },
  {
    name: 'trips-per-instance',
    section: '§9.11',
    what: 'A read of the membership makes a round trip for each instance, one after another.',
    replace: [
      {
        file: 'registry/view-reader.ts',
        find: `Promise.all([client.getBlock({ blockNumber: block }), views.readMany(calls, block)]),`,
        put: `Promise.all([
        client.getBlock({ blockNumber: block }),
        (async () => {
          const results = [];
          for (const call of calls) results.push(await views.readOne(call, block));
          return results;
        })(),
      ]),`,
      },
    ],
  },
  {
    name: 'versions-of-another-chain',
    section: '§6',
    what: 'The last round trip of a read does not check the chain id.',
    replace: [
      {
        file: 'registry/view-reader.ts',
        find: `const results = await this.#tripOn(at.chainId, signal, ({ views }) => views.readMany(calls, at.block));`,
        put: `const results = await this.#rpc.trip(signal, ({ views }) => views.readMany(calls, at.block));`,
      },
    ],
    runs: { faults: 'none', rates: { 'another chain': { perHour: 300, forSeconds: [1, 4] }, 'version revoked': { perHour: 20 }, 'chain slow': { perHour: 400 } } },
  },
  {
    name: 'forgotten-peer-pushed-on',
    section: 'own',
    what: 'A push to a peer continues after the node has forgotten that peer, and no exchange checks whether the peer is still a member.',
    replace: [
      { file: 'sync/push-plan.ts', find: `if (this.#modules.progress.isClosed) {`, put: `if (this.#modules.progress.epoch < 0) {` },
      { file: 'sync/peer-conversation.ts', find: `if (!isMember(member)) throw`, put: `if (!isMember(member) && message.type === '') throw` },
    ],
    runs: { faults: 'none', requests: 3, rates: { 'instance stopped': { perHour: 60 }, 'version revoked': { perHour: 30 }, delay: { perHour: 200, amount: [0.5, 1] } } },
  },
  {
    name: 'left-peer-compared-on',
    section: 'own',
    what: 'A comparison with a peer continues after the peer has left the registry.',
    replace: [{ file: 'sync/peer-conversation.ts', find: `if (!isMember(member)) throw`, put: `if (!isMember(member) && message.type === '') throw` }],
    runs: { faults: 'none', requests: 3, rates: { 'instance stopped': { perHour: 60 }, 'version revoked': { perHour: 30 }, delay: { perHour: 200, amount: [0.5, 1] } } },
  },
  {
    name: 'last-node-stays-stale',
    section: 'own',
    what: 'A node that was cut off for too long, and is then the only member, remains stale.',
    replace: [{ file: 'node/jobs.ts', find: `      resync.giveUp();\n      return { others: 0`, put: `      return { others: 0` }],
    // Node b is cut off for longer than tombstones are kept. Then node a leaves.
    runs: {
      nodes: 2,
      faults: 'none',
      hours: 0.06,
      requests: 0,
      settings: { TOMBSTONE_RETENTION_MS: '60000' },
      steps: [request(60, 'put', 'a', 'kept'), fault(70, 'partition', 'b', 140), fault(160, 'node leaves', 'a', 0)],
    },
  },
  {
    name: 'store-without-limit',
    section: '§10',
    what: 'A store accepts records beyond its limit in bytes.',
    replace: [{ file: 'store/capacity.ts', find: `return growth <= 0 || contents.bytes + growth <= maxBytes;`, put: `return maxBytes > 0;` }],
    runs: { nodes: 2, faults: 'none', hours: 0.04, requests: 0, settings: { MAX_STORE_BYTES: '6000' }, steps: [request(60, 'put', 'a', 'large', 8_000)] },
  },
  {
    name: 'value-cut-off',
    section: '§2',
    what: 'A node answers a read with only the beginning of the value.',
    replace: [{ file: 'http/data.ts', find: `const value = encodeBase64(plaintext);`, put: `const value = encodeBase64(plaintext.subarray(0, 8));` }],
    runs: { faults: 'none', hours: 0.02 },
  },
  {
    name: 'deleted-are-listed',
    section: '§2',
    what: 'A listing also names the keys that have been deleted.',
    replace: [{ file: 'store/namespace.ts', find: `this.keys.add(held.key);\n    else this.keys.remove(held.key);`, put: `this.keys.add(held.key);` }],
    runs: { faults: 'none', hours: 0.02 },
  },
  {
    name: 'no-early-ticks',
    section: '§9.12',
    what: 'No tick comes early: a node notices that its claim is confirmed, or retries a failed read, only at the next regular node_tick.',
    replace: [{ file: 'machines/early-tick.ts', find: `backoffMs({ firstMs: EARLY_TICK_FLOOR_MS,`, put: `backoffMs({ firstMs: beatMs,` }],
    // The run has only the first claim of a cluster, and no faults: after a fault, the rule would allow more time.
    runs: { faults: 'none', hours: 0.03, requests: 0 },
  },
  {
    name: 'large-app-becomes-0',
    section: '§9.15',
    what: 'An app whose id does not fit into a JSON number becomes app 0.',
    replace: [
      {
        file: 'domain/ids.ts',
        find: `  return Number.isSafeInteger(number) && number >= 0 && BigInt(number) === BigInt(value) ? (number as AppId) : null;`,
        put: `  return (Number.isSafeInteger(number) && number >= 0 && BigInt(number) === BigInt(value) ? number : 0) as AppId;`,
      },
      { file: 'auth/app-authorization.ts', find: `if (appId === null || appId === 0) return`, put: `if (appId === null) return` },
      { file: 'crypto/vault.ts', find: `    if (appId === 0) throw new RefusalError('forbidden', 'app 0 may not derive keys');\n`, put: `` },
    ],
  },
  {
    name: 'nameless-sync-unchecked',
    section: '§9.16',
    what: '/sync does not check sender_tee_pubkey if x-kms-wallet is absent, and seals the answer to the key in the envelope.',
    replace: [
      {
        file: 'http/sync-route.ts',
        find: `    openEnvelope<PeerLocals>(modules),`,
        put: `    (request, { locals }, next) => {
      const body = locals.body as { sender_tee_pubkey: AuthenticatedPeer['teePubkey'] };
      if (request.headers['x-kms-wallet'] === undefined) locals.caller = { ...locals.caller, teePubkey: body.sender_tee_pubkey };
      next();
    },
    openEnvelope<PeerLocals>(modules),`,
      },
    ],
    runs: { rates: { 'liar: foreign envelope': { perHour: 6 } } },
    seed: '9',
  },
  {
    name: 'bad-fields-become-0',
    section: '§9.17',
    what: 'Invalid fields of a record are replaced with 0, and the record is merged.',
    replace: [
      {
        file: 'store/record-codec.ts',
        find: `  const { key, updated_at_ms: updatedAtMs, tombstone, ttl_ms: ttlMs } = fields;`,
        put: `  const { key, tombstone } = fields;
  const updatedAtMs = isCount(fields['updated_at_ms']) ? fields['updated_at_ms'] : 0;
  const ttlMs = isCount(fields['ttl_ms']) ? fields['ttl_ms'] : 0;`,
      },
    ],
    runs: { rates: { 'liar: poisoned delta': { perHour: 6 } } },
  },
  {
    name: 'malformed-not-counted',
    section: '§9.17',
    what: 'Records that cannot be parsed are not counted in the answer.',
    replace: [
      {
        file: 'sync/merge-batch.ts',
        find: `      onVerdict?.(appId, wire, verdict);`,
        put: `      if (verdict.kind === 'rejected' && verdict.why === 'malformed') continue;
      onVerdict?.(appId, wire, verdict);`,
      },
    ],
    runs: { rates: { 'liar: poisoned delta': { perHour: 6 } } },
  },
  {
    name: 'failed-list-is-empty',
    section: '§9.18',
    what: 'A list of instances that cannot be read is treated as empty.',
    replace: [
      { file: 'registry/view-reader.ts', find: `    if (!first.list.ok) return this.#failList(first.list, block, signal);\n`, put: `` },
      { file: 'registry/view-reader.ts', find: `(first.list.value as readonly string[])`, put: `((first.list.ok ? first.list.value : []) as readonly string[])` },
    ],
    runs: { faults: 'light', rates: { 'backend empty': { perHour: 60 }, 'backend reverting': { perHour: 60 } } },
    seed: '13',
  },
  {
    name: 'expired-deleted-on-read',
    section: '§9.19',
    what: 'Reading an expired record deletes it with its clock.',
    replace: [
      {
        file: 'store/record-store.ts',
        find: `    if (held === undefined || held.value === null || !reads(held, nowMs)) return null;`,
        put: `    if (held !== undefined && held.value !== null && !reads(held, nowMs)) this.#remove(held);
    if (held === undefined || held.value === null || !reads(held, nowMs)) return null;`,
      },
    ],
    runs: { requests: 1 },
  },
];

const OWN: readonly Mutant[] = [
  {
    name: 'answers-unsigned',
    section: 'own',
    what: "An answer is accepted even if the peer's signature is missing or wrong.",
    replace: [
      {
        file: 'sync/peer-conversation.ts',
        find: `    if (signer !== member.wallet) throw new PeerError('bad_signature', "the answer is not signed by the peer's wallet");`,
        put: `    void signer;`,
      },
    ],
    runs: { rates: { 'liar: unsigned answer': { perHour: 6 } } },
    seed: '5',
  },
  {
    name: 'echo-unchecked',
    section: 'own',
    what: 'An answer that belongs to a different request is accepted.',
    replace: [
      {
        file: 'sync/peer-conversation.ts',
        find: `    if (frame.request_id === undefined ? state.echoes : frame.request_id !== requestId) {`,
        put: `    if (requestId === '') {`,
      },
    ],
    runs: { rates: { 'liar: replayed answer': { perHour: 6 } } },
  },
  {
    name: 'store-id-kept',
    section: 'own',
    what: 'A store keeps its id when it is emptied.',
    replace: [
      {
        file: 'store/record-store.ts',
        find: `    this.#storeId = drawId();`,
        put: `    this.#storeId ??= drawId();`,
      },
    ],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 8 } } },
  },
  {
    name: 'reset-secret-serves',
    section: 'own',
    what: 'The secret is still used after its hash on the chain was reset.',
    replace: [
      {
        file: 'machines/secret-life.ts',
        find: `return seen.stage === 'confirmed' ? setAside(`,
        put: `return seen.stage === 'confirmed' && hash !== ZERO_HASH ? setAside(`,
      },
    ],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 8 } } },
  },
  {
    name: 'ready-until-judged',
    section: 'own',
    what: 'When the chain no longer shows the hash of the secret, a node stays ready until the step that judges the hash.',
    replace: [
      { file: 'machines/node-tick.ts', find: `          { guard: hashIs('unset'), target: 'checkingEligibility', actions: awaitsHash },\n`, put: `` },
    ],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 8 } } },
  },
  {
    name: 'replaced-secret-kept',
    section: 'own',
    what: 'When a different secret is installed, the earlier secrets are kept.',
    replace: [{ file: 'machines/secret-life.ts', find: `      ...others.map(({ hash }) => ({ kind: 'wipe' as const, hash })),\n`, put: `` }],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 8 } } },
  },
  {
    name: 'taken-over-counts-as-claimed',
    section: 'own',
    what: 'A secret from a member is treated as claimed by this node, so the node does not ask for a first snapshot.',
    replace: [
      {
        file: 'machines/secret-life.ts',
        find: `  const confirmed = confirm(life, secret, false);`,
        put: `  const confirmed = confirm(life, secret, true);`,
      },
    ],
    runs: RESTARTS,
  },
  {
    name: 'reset-secret-claimed',
    section: 'own',
    what: 'A secret that was set aside after a reset is claimed again.',
    replace: [
      {
        file: 'machines/secret-life.ts',
        find: `    case 'none':
      return { life, effects: [{ kind: 'make_candidate' }] };`,
        put: `    case 'none':
      if (life.aside.length > 0) return { life, effects: [{ kind: 'send_claim', hash: life.aside.at(-1)!.hash }] };
      return { life, effects: [{ kind: 'make_candidate' }] };`,
      },
      { file: 'registry/claim-sender.ts', find: `    if (reset !== null) return { kind: 'was_reset', transactionHash: reset };\n`, put: `` },
    ],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 8 } } },
  },
  {
    name: 'reset-claim-sent-again',
    section: 'own',
    what: 'A claim is sent again although the head has already shown its hash.',
    replace: [
      {
        file: 'machines/secret-life.ts',
        find: `  const reset = setAside(life, life.secret);`,
        put: `  if (life.stage === 'at_head') return { life, effects: [{ kind: 'send_claim', hash: life.secret.hash }] };
  const reset = setAside(life, life.secret);`,
      },
      { file: 'registry/claim-sender.ts', find: `    if (reset !== null) return { kind: 'was_reset', transactionHash: reset };\n`, put: `` },
    ],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 12 } } },
  },
  {
    name: 'wake-up-missed',
    section: 'own',
    what: 'After a push, the lane does not look for writes that arrived during the push, even if it was woken.',
    replace: [
      { file: 'sync/replicator.ts', find: `      lane.again = signal;\n`, put: `` },
      {
        file: 'sync/push-plan.ts',
        find: `    progress.advance(last, { records: passed.length, bytes });
    return this.#planNew();`,
        put: `    progress.advance(last, { records: passed.length, bytes });
    return this.#planAgain(progress.retries.due(this.#modules.sendAbove()), 0);`,
      },
    ],
    // The fault shows only when a write happens during a push, which takes milliseconds. The next push would also send the missed write,
    // so the run has few writes.
    runs: { faults: 'none', hours: 0.5, requests: 1, settings: { DATA_SYNC_NUDGE_MS: '1' } },
  },
  {
    name: 'depth-off-by-one',
    section: 'own',
    what: 'The chain is read five blocks below the head instead of six.',
    replace: [{ file: 'registry/pinned-block.ts', find: `  const block = shown.head - confirmations;`, put: `  const block = shown.head - confirmations + 1n;` }],
  },
  {
    name: 'acknowledged-to-last-number',
    section: 'own',
    what: 'After an answer, the acknowledged sequence moves to the last sequence number of the node, not to the last one that was sent.',
    replace: [
      { file: 'sync/push-plan.ts', find: `    progress.advance(last,`, put: `    progress.advance(this.#modules.store.lastSequenceNumber,` },
    ],
    runs: { requests: 2 },
  },
  {
    name: 'time-is-now',
    section: 'own',
    what: 'A local write takes the current time, even if the replaced record has a later time.',
    replace: [{ file: 'store/local-writes.ts', find: `Math.max(nowMs, (held?.updatedAtMs ?? 0) + 1)`, put: `nowMs` }],
  },
  {
    name: 'number-repeated',
    section: 'own',
    what: 'A node can use the same sequence number twice.',
    replace: [{ file: 'store/local-writes.ts', find: `Math.max(lastSequenceNumber + 1, nowMs)`, put: `Math.max(lastSequenceNumber, nowMs)` }],
    runs: { requests: 1, rates: { 'clock jump': { perHour: 8 } } },
  },
  {
    name: 'earlier-time-wins',
    section: 'own',
    what: 'Of two concurrent records, the one with the earlier time wins.',
    replace: [{ file: 'store/merge-rules.ts', find: `return a.updatedAtMs - b.updatedAtMs;`, put: `return b.updatedAtMs - a.updatedAtMs;` }],
    runs: { requests: 1 },
  },
  {
    name: 'smaller-bytes-win',
    section: 'own',
    what: 'Of two concurrent records with the same time, the one with the smaller bytes wins.',
    replace: [{ file: 'store/merge-rules.ts', find: `return left < right ? -1 : 1;`, put: `return left < right ? 1 : -1;` }],
    runs: { requests: 2 },
  },
  {
    name: 'tombstones-forgotten',
    section: 'own',
    what: 'Tombstones are removed immediately instead of after their retention.',
    replace: [{ file: 'store/record.ts', find: `(value === null ? 0 : ttlMs) + retentionMs + 1`, put: `(value === null ? -retentionMs : ttlMs) + retentionMs + 1` }],
  },
  {
    name: 'digest-not-updated',
    section: 'own',
    what: 'When a record is replaced, the digest of its bucket no longer includes the old record, but does not include the new one either.',
    replace: [
      {
        file: 'store/namespace.ts',
        find: `  include(held: HeldRecord, presence: 'present' | 'absent'): void {
    this.#flipDigest(held);`,
        put: `  include(held: HeldRecord, presence: 'present' | 'absent'): void {
    if (held.before === null) this.#flipDigest(held);`,
      },
    ],
  },
  {
    name: 'too-far-ahead-taken',
    section: 'own',
    what: 'A record whose time is too far in the future is accepted.',
    replace: [{ file: 'store/record-codec.ts', find: `return updatedAtMs > latestMs || largestCount`, put: `return largestCount` }],
  },
  {
    name: 'count-too-far-ahead-taken',
    section: '§10 Bounds',
    what: 'A count in a vector clock may be ahead of the system clock by any amount.',
    replace: [{ file: 'store/record-codec.ts', find: `return updatedAtMs > latestMs || largestCount(version) > latestMs + COUNT_HEADROOM;`, put: `return updatedAtMs > latestMs;` }],
    runs: { rates: { "liar: others' counts": { perHour: 6 } } },
  },
  {
    name: 'forged-count-trusted',
    section: '§10',
    what: 'A write uses the usual clock key of its node although a member has forged a higher count under that key.',
    replace: [{ file: 'store/local-writes.ts', find: `if (!isForged(own)) return own;`, put: `if (own !== '') return own;` }],
    runs: { faults: 'none', nodes: 3, rates: { "liar: others' counts": { perHour: 60, forSeconds: [30, 60] } } },
    seed: '5',
  },
  {
    name: 'clocks-uncut',
    section: '§10 Bounds',
    what: 'A merged clock keeps all its entries.',
    replace: [
      { file: 'store/merge-rules.ts', find: `version: cutClock(incoming.version) } };`, put: `version: incoming.version } };` },
      { file: 'store/merge-rules.ts', find: `const version = cutClock(order === 'later' ? incoming.version : mergeClocks(held.version, incoming.version));`, put: `const version = order === 'later' ? incoming.version : mergeClocks(held.version, incoming.version);` },
    ],
    runs: { rates: { 'liar: grown clocks': { perHour: 8, forSeconds: [60, 120], amount: [0, 0] } } },
  },
  {
    name: 'largest-counts-cut',
    section: '§10 Bounds',
    what: 'When a clock has too many entries, the largest counts are dropped first.',
    replace: [{ file: 'store/vector-clock.ts', find: `rank(a) - rank(b) || a[1] - b[1]`, put: `rank(a) - rank(b) || b[1] - a[1]` }],
    runs: { rates: { 'liar: grown clocks': { perHour: 8, forSeconds: [60, 120], amount: [0, 0] } } },
  },
  {
    name: 'apps-uncounted',
    section: '§10 Bounds',
    what: 'The memory that each app takes is not included in the bytes that MAX_STORE_BYTES limits.',
    replace: [{ file: 'store/contents.ts', find: `return this.#bytes + this.#namespaces.size * APP_BYTES;`, put: `return this.#bytes;` }],
  },
  {
    name: 'root-digest-stale',
    section: '§10 Comparison',
    what: 'The digest of all apps is computed once and never updated.',
    replace: [
      { file: 'store/contents.ts', find: `    this.#bytes += storeBytes(held);\n    this.#root = null;`, put: `    this.#bytes += storeBytes(held);` },
      { file: 'store/contents.ts', find: `    this.#bytes -= storeBytes(held);\n    this.#root = null;`, put: `    this.#bytes -= storeBytes(held);` },
    ],
  },
  {
    name: 'tee-pubkey-ignored',
    section: 'own',
    what: 'A node is eligible regardless of the teePubkey that the registry has for it.',
    replace: [
      {
        file: 'registry/eligibility.ts',
        find: `  const matches = own.teePubkey !== '' && parseTeePubkey(own.teePubkey) === parseTeePubkey(identity.teePubkey);`,
        put: `  const matches = own.teePubkey !== '' && parseTeePubkey(identity.teePubkey) !== null;`,
      },
    ],
  },
  {
    name: 'stopped-stay-members',
    section: 'own',
    what: 'A node that has ever been listed stays a member, even after it is stopped.',
    replace: [
      { file: 'registry/view-reader.ts', find: `.slice(0, MAX_LISTED).map(toWallet);`, put: `.slice(0, MAX_LISTED).map(toWallet).concat(this.#lastListed);` },
      { file: 'registry/membership-rules.ts', find: "  if (instance.status !== 'ACTIVE') return `instance is ${instance.status}`;\n", put: `` },
    ],
  },
  {
    name: 'revoked-stay-members',
    section: 'own',
    what: 'Instances of a revoked version stay members.',
    replace: [{ file: 'registry/membership-rules.ts', find: `  if (status !== 'ENROLLED' && status !== 'DEPRECATED') return`, put: `  if (status === 'UNKNOWN') return` }],
  },
  {
    name: 'rejections-count-as-acks',
    section: 'own',
    what: 'A temporarily refused write is treated as acknowledged by the peer.',
    replace: [
      {
        file: 'sync/push-plan.ts',
        find: `      ...outcome.taken.map((entry)`,
        put: `      ...[...outcome.taken, ...outcome.later].map((entry)`,
      },
    ],
    runs: { faults: 'none', requests: 1, rates: { 'clock jump': { perHour: 20, forSeconds: [20, 60], amount: [20_000, 40_000] } } },
  },
  {
    name: 'retries-dropped',
    section: 'own',
    what: 'A temporarily refused write is not sent again.',
    replace: [
      {
        file: 'sync/push-plan.ts',
        find: `    for (const entry of outcome.later) progress.postpone(entry);\n`,
        put: ``,
      },
    ],
    runs: { rates: { 'clock jump': { perHour: 12, amount: [20_000, 40_000] } } },
  },
  {
    name: 'two-node-ticks',
    section: 'own',
    what: 'A node_tick that arrives while another one is running restarts the running one.',
    replace: [
      {
        file: 'machines/node-tick.ts',
        find: `    on: { node_tick: { actions: 'countDropped', meta: { dropped: 'node_tick' } } },`,
        put: `    on: { node_tick: { target: '.readingChain', actions: 'startTick' } },`,
      },
    ],
    // With a slow chain, a tick is still running when the next regular node_tick is due.
    runs: { faults: 'light', rates: { 'chain slow': { perHour: 20, forSeconds: [30, 60], amount: [2_000, 4_000] } }, settings: { KMS_NODE_TICK_SECONDS: '10' } },
  },
  {
    name: 'store-outlives-secret',
    section: 'own',
    what: 'When a different secret is installed, the store of the old secret is kept.',
    replace: [
      {
        file: 'machines/secret-life.ts',
        find: `      ...(begins && life.store !== null ? [{ kind: 'empty_store' as const }] : []),\n`,
        put: ``,
      },
    ],
    runs: { faults: 'light', rates: { 'hash reset': { perHour: 8 } } },
  },
  {
    name: 'nothing-compared',
    section: 'own',
    what: 'Stores are never compared.',
    replace: [{ file: 'sync/replicator.ts', find: `nudged || !this.#modules.mayCompare() ? null`, put: `nudged || this.#turn >= 0 ? null` }],
  },
  {
    name: 'stale-compares',
    section: 'own',
    what: 'A node that was cut off for too long compares its store with other nodes.',
    replace: [
      { file: 'sync/replicator.ts', find: `nudged || !this.#modules.mayCompare() ? null`, put: `nudged ? null` },
      { file: 'sync/replicator.ts', find: `if (!this.#modules.mayCompare() || `, put: `if (` },
    ],
    runs: LONG_CUTS,
  },
  {
    name: 'stale-answers-digests',
    section: 'own',
    what: 'A node that was cut off for too long lets other nodes compare their stores with it.',
    replace: [
      {
        file: 'sync/inbound.ts',
        find: `    if (staleness.isStale()) throw new RefusalError('service_unavailable', 'this node was cut off for too long to take part in a comparison');\n`,
        put: ``,
      },
    ],
    runs: LONG_CUTS,
  },
  {
    name: 'strangers-starve-apps',
    section: '§8',
    what: 'All callers behind the ingress share one rate limit, which applies before their proof is checked.',
    replace: [{ file: 'http/app.ts', find: `limits.open), kmsRoutes(`, put: `limits.general), kmsRoutes(` }],
    runs: FLOODED,
  },
  {
    name: 'requests-under-way-unlimited',
    section: '§10',
    what: 'There is no limit on how many requests of a wallet are carried out at the same time.',
    replace: [{ file: 'http/kms-routes.ts', find: `maxUnderWay: 32, maxWaiting: 256`, put: `maxUnderWay: Infinity, maxWaiting: 256` }],
    runs: HELD,
  },
  {
    name: 'requests-under-way-of-all-together',
    section: '§10',
    what: 'All wallets together share one limit on requests under way, instead of one limit for each wallet.',
    replace: [{ file: 'http/requests-under-way.ts', find: `  enter(caller: string): boolean {
    const known`, put: `  enter(caller: string): boolean {
    caller = '';
    const known` },
    { file: 'http/requests-under-way.ts', find: `    const waiting = this.#callers.get(caller)?.waiting;`, put: `    const waiting = this.#callers.get('')?.waiting;` },
    { file: 'http/requests-under-way.ts', find: `  leave(caller: string): void {
    const known = this.#callers.get(caller);`, put: `  leave(caller: string): void {
    caller = '';
    const known = this.#callers.get(caller);` }],
    runs: HELD,
  },
  {
    name: 'known-wallets-are-strangers',
    section: '§8',
    what: 'Behind the ingress, authorized callers share the rate limit of strangers.',
    replace: [{ file: 'http/client-limit.ts', find: `if (signature === null || !authorized.has(wallet)) countUnproven(request);`, put: `if (signature !== null) countUnproven(request);` }],
    runs: FLOODED,
  },
  {
    name: 'stale-pushes',
    section: 'own',
    what: 'A node that was cut off for too long pushes its earlier writes.',
    replace: [{ file: 'node/compose-node.ts', find: `    sendAbove: () => staleness.seenUpTo(),`, put: `    sendAbove: () => 0,` }],
    runs: backWhileAnotherBegins('d', 170),
  },
  {
    name: 'stale-forgets',
    section: 'own',
    what: 'A node that has been cut off for too long still removes its expired tombstones.',
    replace: [{ file: 'node/compose-node.ts', find: `return staleness.isStale();`, put: `return false;` }],
    runs: LONG_CUTS,
    seed: '23',
  },
  {
    name: 'resync-keeps-all',
    section: 'own',
    what: 'A node that was cut off for too long keeps records that a complete snapshot lacks.',
    replace: [{ file: 'sync/resync.ts', find: `      store.forget(appId, record.key);\n`, put: `` }],
    runs: LONG_CUTS,
  },
];

/** Faults that make a node report a key as absent although other nodes hold it (protocol.md §10, "404 means absent"). */
const ABSENCE: readonly Mutant[] = [
  {
    name: 'one-member-is-believed',
    section: '§10',
    what: 'A node becomes sure when it has all records of one member that calls itself sure, regardless of what other members say.',
    replace: [{ file: 'machines/sureness.ts', find: ` || (mergedWhileSure === 1 && !facts.some(mayBeSure))`, put: ` || mergedWhileSure === 1` }],
    runs: cBeginsAgain({}, [fault(65, 'liar: empty snapshot', 'b', 300), { ...fault(70, 'partition', 'c', 75), other: 'a' } as Step]),
  },
  {
    name: 'left-out-is-merged',
    section: '§10',
    what: 'A record that was left out because the store had no room is treated as merged.',
    replace: [{ file: 'machines/sureness.ts', find: `event.store !== state.store || event.leftOut`, put: `event.store !== state.store` }],
    // At the end, the records that do not fit are deleted, so that all stores can become equal again.
    runs: cBeginsAgain({ 'c.MAX_STORE_BYTES': '3000' }, [request(242, 'delete', 'a', 'large')]),
  },
  {
    name: 'stale-is-sure',
    section: '§10',
    what: 'A node that was cut off for too long still says that keys are absent.',
    replace: [{ file: 'node/sureness-keeper.ts', find: `return this.hasBecomeSure() && !this.#modules.isStale();`, put: `return this.hasBecomeSure();` }],
    runs: { nodes: 3, faults: 'none', hours: 0.07, requests: 0, settings: { TOMBSTONE_RETENTION_MS: '60000' }, steps: [fault(60, 'partition', 'c', 150), ...askC('get', 60, 210, 'nothing')] },
  },
];

export const MUTANTS: readonly Mutant[] = [...NINE, ...REAL_CHAINS, ...OWN, ...ABSENCE];
