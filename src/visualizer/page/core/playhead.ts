/**
 * Where the reader is in the events: at the latest, at a moment gone to, or in a replay that runs at a speed. The clocks come in
 * with each call.
 */
import type { History } from './history.ts';
import { LIVE, play, shownAt, SPEEDS, type Moment, type Shown } from './moment.ts';

/** Of a replay that is opened: the first speed at which it takes no longer. Milliseconds. */
const WHOLE_REPLAY_MS = 90_000;

export interface Clocks {
  /** The clock of the events, for what is live. */
  readonly nowMs: number;
  /** A clock that only runs on, for a replay. */
  readonly pageMs: number;
}

export class Playhead {
  /** All events are there, and none come: there is nothing live. */
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

  /** @param lengthMs of all of it @param from where it stands until it is played */
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

  /** Stops what moves; plays a replay that stands. What is live and stands is set going by `go(LIVE)`. */
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

  /** A replay that has come to its end stands there. @returns whether it runs on */
  settle(history: History, clocks: Clocks): boolean {
    if (this.#moment.at !== 'playing') return false;
    const now = this.shown(history, clocks);
    if (now.atMs < history.lastMs) return true;
    this.#moment = { at: 'place', ...now };
    return false;
  }
}
