/** The reader's position in the events: live, at a chosen moment, or in a running replay. Each call takes the clocks as an argument. */
import type { History } from './history.ts';
import { LIVE, play, shownAt, SPEEDS, type Moment, type Shown } from './moment.ts';

/** The first speed of a replay is the lowest speed, not below 1, at which the replay takes at most this long. Milliseconds. */
const WHOLE_REPLAY_MS = 90_000;

export interface Clocks {
  /** The clock of the events, for the live view. */
  readonly nowMs: number;
  /** A monotonic clock, for a replay. */
  readonly pageMs: number;
}

export class Playhead {
  /** true: all events have already arrived and no more will come, so there is no live view. */
  readonly replay: boolean;
  #moment: Moment;
  #speed: number;

  private constructor(replay: boolean, moment: Moment, speed: number) {
    this.replay = replay;
    this.#moment = moment;
    this.#speed = speed;
  }

  static live(): Playhead {
    return new Playhead(false, LIVE, 1);
  }

  /**
   * @param lengthMs length of the replay
   * @param from the first moment to show; the replay starts there when the reader plays it
   */
  static replay(lengthMs: number, from: Moment): Playhead {
    const speed = SPEEDS.find((each) => each >= 1 && lengthMs / each <= WHOLE_REPLAY_MS) ?? SPEEDS.at(-1)!;
    return new Playhead(true, from, speed);
  }

  get moment(): Moment {
    return this.#moment;
  }

  get speed(): number {
    return this.#speed;
  }

  shown(history: History, clocks: Clocks): Shown {
    return shownAt(this.#moment, history, clocks);
  }

  go(moment: Moment): void {
    this.#moment = moment;
  }

  /** Stops the live view or a running replay, and starts a stopped replay. `go(LIVE)` resumes a stopped live view. */
  pause(history: History, clocks: Clocks): void {
    const now = this.shown(history, clocks);
    if (this.replay && this.#moment.at === 'place') this.#moment = play(now, this.#speed, history, clocks.pageMs);
    else this.#moment = { at: 'place', ...now };
  }

  setSpeed(speed: number, history: History, clocks: Clocks): void {
    const now = this.shown(history, clocks);
    this.#speed = speed;
    if (this.#moment.at === 'playing') this.#moment = play(now, speed, history, clocks.pageMs);
  }

  faster(history: History, clocks: Clocks): void {
    this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.#speed) + 1)]!, history, clocks);
  }

  slower(history: History, clocks: Clocks): void {
    this.setSpeed(SPEEDS[Math.max(0, SPEEDS.indexOf(this.#speed) - 1)]!, history, clocks);
  }

  /** Stops a replay that has reached its end. @returns whether the replay is still running */
  settle(history: History, clocks: Clocks): boolean {
    if (this.#moment.at !== 'playing') return false;
    const now = this.shown(history, clocks);
    if (now.atMs < history.lastMs) return true;
    this.#moment = { at: 'place', ...now };
    return false;
  }
}
