/** The bar at the top: the title, the shown time and its controls, and the other actions. */
import { SPEEDS } from '../core/moment.ts';
import { clockText, momentText } from '../core/time-text.ts';
import { button, h, setAttributes, setText } from './dom.ts';
import type { Frame } from './frame.ts';

export interface BarModules {
  readonly live: () => void;
  readonly pause: () => void;
  readonly step: (by: 1 | -1) => void;
  readonly jump: (direction: 1 | -1) => void;
  readonly setSpeed: (speed: number) => void;
  readonly openFile: () => void;
  readonly commands: () => void;
  readonly theme: () => void;
  readonly help: () => void;
}

export interface BarState {
  readonly title: string;
  readonly connected: boolean;
  readonly speed: number;
  readonly commands: boolean;
  readonly failures: number;
  /** Number of events that are newer than the moment shown; 0 in the live view and while a replay runs. */
  readonly newer: number;
}

export class BarView {
  readonly element: HTMLElement;
  readonly #title = h('h1');
  readonly #mode = h('span', { class: 'mode', role: 'status' });
  readonly #clock = h('time', { class: 'clock' });
  readonly #live: HTMLButtonElement;
  readonly #pause: HTMLButtonElement;
  readonly #jump: HTMLButtonElement;
  readonly #commands: HTMLButtonElement;
  readonly #speed = h('select', { 'aria-label': 'Speed of the replay', title: 'Speed (s, Shift+S)' });

  constructor(modules: BarModules) {
    this.#live = button('back to live', { key: 'l', title: 'Back to live', class: 'live' }, modules.live);
    this.#pause = button('pause', { key: 'p', title: 'Pause', class: 'pause' }, modules.pause);
    this.#jump = button('✖ failure', { key: 'x', title: 'To the next failure', class: 'jump' }, () => modules.jump(1));
    this.#commands = button('commands', { key: 'c', title: 'Commands' }, modules.commands);
    this.#speed.append(...SPEEDS.map((speed) => h('option', { value: speed }, `${speed}×`)));
    this.#speed.addEventListener('change', () => modules.setSpeed(Number(this.#speed.value)));
    this.element = h(
      'header',
      { class: 'bar' },
      this.#title,
      this.#mode,
      this.#clock,
      h(
        'div',
        { class: 'transport', role: 'group', 'aria-label': 'Time' },
        button('◂', { key: ',', title: 'One event back' }, () => modules.step(-1)),
        this.#pause,
        button('▸', { key: '.', title: 'One event forward' }, () => modules.step(1)),
        this.#speed,
        this.#live,
        this.#jump,
      ),
      h(
        'div',
        { class: 'actions' },
        this.#commands,
        button('open trace', { key: 'o', title: 'Open a trace file' }, modules.openFile),
        button('◐', { key: 't', title: 'Light or dark' }, modules.theme),
        button('?', { key: '?', title: 'Keys and signs' }, modules.help),
      ),
    );
  }

  update(frame: Frame, state: BarState): void {
    const { moment, replay, atMs, history } = frame;
    setText(this.#title, state.title);
    const stopped = moment.at === 'place';
    const newer = state.newer > 0 ? `, ${state.newer} newer` : '';
    const mode = replay ? (moment.at === 'playing' ? '▶ replay' : '❚❚ replay') : stopped ? `❚❚ paused${newer}` : state.connected ? '● live' : '○ not connected';
    setText(this.#mode, mode);
    setAttributes(this.#mode, { 'data-mode': replay ? 'replay' : stopped ? 'stopped' : state.connected ? 'live' : 'cut' });
    const behind = !replay && stopped ? `  ${momentText(atMs, Math.max(atMs, history.lastMs))}` : '';
    setText(this.#clock, `${clockText(atMs, frame.ofDay).slice(0, stopped || replay ? undefined : -4)}${behind === '  now' ? '' : behind}`);
    const plays = replay && moment.at !== 'playing';
    setText(this.#pause, plays ? '▶ play' : '❚❚ pause');
    setAttributes(this.#pause, { 'aria-label': plays ? 'Play' : 'Pause', title: plays ? 'Play (p)' : 'Pause (p)' });
    this.#live.hidden = replay || !stopped;
    this.#pause.hidden = !replay && stopped;
    this.#speed.hidden = !replay;
    this.#speed.value = String(state.speed);
    this.#jump.hidden = state.failures === 0;
    this.#commands.hidden = !state.commands;
  }
}
