/**
 * Replicates this node's writes at each sync_tick (protocol.md §1, §10). Each peer has a lane, so that a slow or dead peer does not delay
 * the pushes to other peers. Each tick wakes every lane that is not resting after a failure. A lane that is pushing also sends the writes
 * that arrive meanwhile. A tick that is caused by the interval, not by a write, also compares this node's store with the store of one
 * peer. The next such tick takes the next peer.
 */
import { sleep, within } from '../domain/deadline.ts';
import { InvariantError } from '../domain/errors.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { AntiEntropy } from './anti-entropy.ts';
import type { DeltaPush } from './delta-push.ts';
import { PeerError } from './peer-error.ts';
import type { Replica } from './replica.ts';
import type { Replicas } from './replicas.ts';
import { TickCourse, type WatchSyncTick } from './tick-course.ts';

/** Maximum number of lanes that work at the same time. The others wait for their turn. */
const MAX_LANES_AT_WORK = 32;
/** Maximum number of anti-entropy rounds at the same time. It bounds the memory for peers' pages. Other peers wait for a later tick. */
const MAX_ROUNDS_AT_ONCE = 2;
/** Timeout of a round, so that a slow peer does not block other rounds. The next round continues the repair. Milliseconds. */
const ROUND_TIMEOUT_MS = 600_000;
/** How long a tick waits for the membership. A chain that does not answer must not delay pushes. Milliseconds. */
const REFRESH_PATIENCE_MS = 1_000;
/** Maximum number of sync_ticks that are followed for a watcher at the same time. Further ticks are not reported. */
const MAX_COURSES = 64;
/** How often a stopping node checks whether its last push is done. Milliseconds. */
const LAST_PUSH_LOOK_MS = 20;

export interface ReplicatorModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note'>;
  readonly replicas: Replicas;
  readonly push: Pick<DeltaPush, 'pushTo'>;
  readonly antiEntropy: Pick<AntiEntropy, 'compareWith'>;
  /** The members except this node, from the peer cache. */
  readonly others: () => readonly Member[];
  /** Reads the membership again when it is too old for outbound work. */
  readonly refreshMembership: (signal: AbortSignal) => Promise<void>;
  /** Whether this node may compare its store with a peer's store; false while this node is stale. */
  readonly mayCompare: () => boolean;
  /** Called when a round of anti-entropy is complete: this node now has all records of the peer. */
  readonly onCompared: () => void;
  readonly onBrokenInvariant: (error: Error) => void;
  /** Absent if no one watches. */
  readonly watchSyncTick?: WatchSyncTick | undefined;
}

interface Lane {
  readonly member: Member;
  working: boolean;
  /** The signal of the last tick that came while the lane was working or waiting. */
  again: AbortSignal | null;
  compare: boolean;
  /** Number of failed pushes. */
  failures: number;
  /** Number of failed rounds of anti-entropy. */
  failedAntiEntropy: number;
}

interface WaitingLane {
  readonly lane: Lane;
  readonly signal: AbortSignal;
}

export class Replicator {
  readonly #modules: ReplicatorModules;
  readonly #lanes = new Map<Wallet, Lane>();
  #atWork = 0;
  #rounds = 0;
  readonly #waiting: WaitingLane[] = [];
  #turn = 0;
  #refreshing: Promise<void> | null = null;
  /** The running ticks that a watcher follows. */
  #courses: TickCourse[] = [];

  constructor(modules: ReplicatorModules) {
    this.#modules = modules;
  }

  /** @param nudged whether a write caused the tick; such a tick pushes, but compares nothing */
  syncTick(nudged: boolean, signal: AbortSignal): void {
    void this.#tick(nudged, signal);
  }

  async #tick(nudged: boolean, signal: AbortSignal): Promise<void> {
    const course = this.#follow(nudged, signal);
    await this.#membershipKnown(signal);
    if (signal.aborted) {
      course?.abort();
      return;
    }
    const others = this.#modules.others();
    this.#keepLanes(others);
    const compared = nudged || !this.#modules.mayCompare() ? null : this.#nextInTurn(others);
    for (const lane of this.#lanes.values()) {
      if (lane.member.wallet === compared && this.#modules.replicas.of(lane.member).antiEntropy.rest.isOver) lane.compare = true;
      this.#wake(lane, signal);
      if (lane.working) course?.add(lane);
    }
    course?.begin();
  }

  /** Null when no one watches, or when too many ticks are already followed. */
  #follow(nudged: boolean, signal: AbortSignal): TickCourse | null {
    const { watchSyncTick } = this.#modules;
    if (watchSyncTick === undefined) return null;
    this.#courses = this.#courses.filter(({ isOver }) => !isOver);
    if (this.#courses.length >= MAX_COURSES) return null;
    const course = new TickCourse(signal, watchSyncTick(nudged));
    this.#courses.push(course);
    return course;
  }

  /** Called when a lane has finished or abandoned its work. @param signal the signal under which the lane was working or waiting */
  #rest(lane: Lane, failed: boolean, signal: AbortSignal): void {
    const { again } = lane;
    lane.again = null;
    // The node may have left `ready` and entered it again while this lane was stopping. In that case, this lane starts again for the latest
    // tick, unless the member now has another URL or key and therefore a new lane.
    const isLater = signal.aborted && again !== null && !again.aborted && this.#replicaOf(lane) !== null;
    if (isLater) this.#wake(lane, again);
    for (const course of this.#courses) {
      if (course.signal.aborted) course.abort();
      else if (!lane.working) course.rested(lane, failed && !isLater);
    }
  }

  /**
   * Pushes until no more writes can come and each lane has sent its writes or has failed. Lanes that rest after a failure push too.
   * @param mayEnd false while requests that may still write are running
   * @throws the signal's reason
   */
  async lastPush(mayEnd: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, replicas } = this.#modules;
    this.#keepLanes(this.#modules.others());
    /** Number of failures of each lane when this method first woke it. */
    let woken = new Map<Lane, number>();
    /** What each lane had left to send when it was last woken. */
    const left = new Map<Lane, string>();
    for (let ending = mayEnd(); ; ) {
      let busy = false;
      for (const lane of this.#lanes.values()) {
        const { progress } = replicas.of(lane.member);
        // New writes wake a lane again, even if another lane hangs. A lane is not woken if it failed, or if its last push did not
        // change what is left to send.
        const failed = (woken.get(lane) ?? Infinity) < lane.failures;
        if (!lane.working && !failed && progress.hasUnsent && left.get(lane) !== progress.unsent) {
          if (!woken.has(lane)) woken.set(lane, lane.failures);
          left.set(lane, progress.unsent);
          this.#wake(lane, signal, true);
        }
        busy ||= lane.working;
      }
      if (ending && !busy) return;
      await sleep(clock, LAST_PUSH_LOOK_MS, signal);
      if (ending || !mayEnd()) continue;
      ending = true;
      // No more writes can come. Each lane pushes its remaining writes once more, even if it failed before.
      woken = new Map();
      left.clear();
    }
  }

  #keepLanes(others: readonly Member[]): void {
    const wallets = new Set(others.map(({ wallet }) => wallet));
    for (const wallet of this.#lanes.keys()) if (!wallets.has(wallet)) this.#lanes.delete(wallet);
    for (const member of others) {
      const lane = this.#lanes.get(member.wallet);
      if (lane?.member.teePubkey === member.teePubkey && lane.member.url === member.url) continue;
      this.#lanes.set(member.wallet, { member, working: false, again: null, compare: false, failures: 0, failedAntiEntropy: 0 });
    }
  }

  #nextInTurn(others: readonly Member[]): Wallet | null {
    if (others.length === 0 || this.#rounds >= MAX_ROUNDS_AT_ONCE) return null;
    this.#turn = (this.#turn + 1) % others.length;
    return others[this.#turn]!.wallet;
  }

  /** Only one refresh runs at a time. If it fails or takes too long, the members that are already known are used. */
  async #membershipKnown(signal: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#refresh(signal).finally(() => (this.#refreshing = null));
    const refreshing = this.#refreshing;
    await within(this.#modules.clock, 'the membership', REFRESH_PATIENCE_MS, signal, () => refreshing).catch(() => undefined);
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    try {
      await this.#modules.refreshMembership(signal);
    } catch (error) {
      this.#judge(error, null, signal);
    }
  }

  #wake(lane: Lane, signal: AbortSignal, anyway = false): void {
    if (lane.working) {
      lane.again = signal;
      return;
    }
    const replica = this.#modules.replicas.of(lane.member);
    if (!anyway && replica.isResting) return;
    if (!lane.compare && !replica.progress.hasBacklog) return;
    lane.working = true;
    if (this.#atWork < MAX_LANES_AT_WORK) void this.#work(lane, replica, signal);
    else this.#waiting.push({ lane, signal });
  }

  async #work(lane: Lane, replica: Replica, signal: AbortSignal): Promise<void> {
    this.#atWork += 1;
    const failures = lane.failures + lane.failedAntiEntropy;
    try {
      do {
        lane.again = null;
        const pushed = await this.#modules.push.pushTo(lane.member, replica, signal);
        if (pushed) replica.noteSuccess();
        if (lane.compare && !signal.aborted) await this.#compare(lane, replica, signal);
      } while (wasWoken(lane) && !signal.aborted);
    } catch (error) {
      lane.failures += 1;
      this.#judge(error, replica, signal);
    } finally {
      lane.working = false;
      this.#atWork -= 1;
      this.#rest(lane, lane.failures + lane.failedAntiEntropy > failures, signal);
      this.#startWaiting();
    }
  }

  /** Runs a round of anti-entropy. A failed round delays the next round with this peer, but does not delay pushes to this peer. */
  async #compare(lane: Lane, replica: Replica, signal: AbortSignal): Promise<void> {
    lane.compare = false;
    // This node may have become stale while the lane was waiting. A comparison could then bring back records that other nodes have deleted.
    if (!this.#modules.mayCompare() || this.#rounds >= MAX_ROUNDS_AT_ONCE) return;
    this.#rounds += 1;
    try {
      const between = async (): Promise<void> => {
        if (!wasWoken(lane) || signal.aborted) return;
        lane.again = null;
        if (await this.#modules.push.pushTo(lane.member, replica, signal)) replica.noteSuccess();
      };
      const said = await within(this.#modules.clock, 'a round of anti-entropy', ROUND_TIMEOUT_MS, signal, (limit) =>
        this.#modules.antiEntropy.compareWith(lane.member, replica, limit, between),
      );
      if (said) {
        replica.noteSuccess();
        this.#modules.onCompared();
      }
      replica.antiEntropy.rest.noteSuccess();
    } catch (error) {
      if (error instanceof InvariantError || signal.aborted) throw error;
      lane.failedAntiEntropy += 1;
      replica.antiEntropy.rest.noteFailure();
      this.#note('anti-entropy with a peer', error, replica);
    } finally {
      this.#rounds -= 1;
    }
  }

  /** Null if the member of the lane has left, or if it has another URL or key now and therefore another lane. */
  #replicaOf(lane: Lane): Replica | null {
    return this.#lanes.get(lane.member.wallet) === lane ? this.#modules.replicas.find(lane.member) : null;
  }

  #startWaiting(): void {
    while (this.#atWork < MAX_LANES_AT_WORK) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const { lane, signal } = next;
      const replica = this.#replicaOf(lane);
      lane.working = !signal.aborted && replica !== null;
      if (replica !== null && lane.working) void this.#work(lane, replica, signal);
      else this.#rest(lane, signal.aborted, signal);
    }
  }

  /** Handles the error that ended a lane or a refresh. Only a broken invariant is passed on. An error after an abort is ignored. */
  #judge(error: unknown, replica: Replica | null, signal: AbortSignal): void {
    if (error instanceof InvariantError) {
      this.#modules.onBrokenInvariant(error);
      return;
    }
    if (signal.aborted) return;
    replica?.noteFailure(describeFailure(error), error instanceof PeerError ? error.retryAfterMs : undefined);
    this.#note(replica === null ? 'reading the members' : 'pushing to a peer', error, replica);
  }

  #note(where: string, error: unknown, replica: Replica | null): void {
    this.#modules.failures.note(this.#modules.log, where, error, replica === null ? {} : { peer: replica.wallet });
  }
}

/** Whether a tick came while the lane was working. */
function wasWoken(lane: Lane): boolean {
  return lane.again !== null;
}
