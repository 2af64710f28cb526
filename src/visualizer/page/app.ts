/**
 * The page: events come in, a moment is chosen, and all views show it. What a key does is here; which key that is,
 * core/keys.ts says.
 */
import type { PageSession, VisualizerEvent } from '../wire.ts';
import { after, every, getJson, getText, pageMs, postJson, rememberedTheme, rememberTheme, unixMs } from './browser.ts';
import { layoutOf } from './chart-layout.ts';
import { Connection } from './connection.ts';
import { Arrivals } from './core/arrivals.ts';
import { History } from './core/history.ts';
import { actionOf, type KeyAction } from './core/keys.ts';
import { Lanes } from './core/lanes.ts';
import { TRACE_LANE_LIMIT, TRACE_LIMIT_BYTES } from './core/limits.ts';
import { setBack, type SourceModel } from './core/model.ts';
import { goToPlace, goToTime, LIVE, play, shownAt, SPEEDS, type Moment } from './core/moment.ts';
import { parseTrace } from './core/trace.ts';
import { BarView } from './view/bar-view.ts';
import { CommandsView } from './view/commands-view.ts';
import { button, h, setText } from './view/dom.ts';
import { EventsView } from './view/events-view.ts';
import type { Frame } from './view/frame.ts';
import { HelpView } from './view/help-view.ts';
import { sortedSources, SourcesView } from './view/sources-view.ts';
import { StageView } from './view/stage-view.ts';
import { TimelineView } from './view/timeline-view.ts';

/** Ages go on although nothing happens. */
const REFRESH_MS = 250;
/** Events of several sources are out of step by less than this; more, and the clock was set. */
const CLOCK_STEP_MS = 10_000;
/** How long a good word stands; a bad one stands until it is dismissed. */
const SAID_MS = 5_000;
/** Times after this are times of day; before it, a simulated clock's. Unix milliseconds of 2001. */
const OF_DAY_FROM_MS = 1_000_000_000_000;

export class App {
  readonly #root: HTMLElement;
  #history = new History();
  #lanes = new Lanes();
  #arrivals = new Arrivals();
  #moment: Moment = LIVE;
  #chosen: string | null = null;
  /** The reader chose it. */
  #picked = false;
  #replay = false;
  /** true: the events are all here, none come. */
  #local = false;
  #session: PageSession = { title: 'state machines', mode: 'live', commands: [], token: null };
  #connected = false;
  #cutSinceMs: number | null = null;
  #speed = 1;
  #failures = 0;
  #failuresFrom = 0;
  #wanted = false;
  #cancelSaid: () => void = () => undefined;
  readonly #connection: Connection;
  readonly #bar: BarView;
  readonly #sources: SourcesView;
  readonly #stage: StageView;
  readonly #timeline: TimelineView;
  readonly #events: EventsView;
  readonly #commands: CommandsView;
  readonly #help = new HelpView();
  readonly #banner = h('p', { class: 'banner', role: 'alert', hidden: true });
  readonly #said = h('p', { class: 'said', role: 'status', hidden: true });
  readonly #file = h('input', { type: 'file', accept: '.trace,.jsonl,.ndjson,.json,.txt', hidden: true, 'aria-label': 'Trace file' });

  constructor(root: HTMLElement) {
    this.#root = root;
    const changed = (): void => this.#want();
    this.#connection = new Connection({
      onOtherLog: () => void this.#startAnew(),
      onEvent: (event) => this.#take(event),
      onChange: (connected) => this.#setConnected(connected),
    });
    this.#bar = new BarView({
      live: () => this.#live(),
      pause: () => this.#pause(),
      step: (by) => this.#step(by, () => true),
      jump: (direction) => this.#step(direction, isFailure),
      setSpeed: (speed) => this.#setSpeed(speed),
      openFile: () => this.#file.click(),
      commands: () => this.#openCommands(),
      theme: () => this.#switchTheme(),
      help: () => this.#help.toggle(),
    });
    this.#sources = new SourcesView({ choose: (source) => this.#choose(source), changed });
    this.#stage = new StageView({ layoutOf, onDrawn: () => this.#markDrawn(), changed });
    this.#timeline = new TimelineView({
      goToTime: (atMs) => this.#go(goToTime(atMs, this.#history)),
      choose: (source) => this.#choose(source),
      changed,
    });
    this.#events = new EventsView({ goToPlace: (place) => this.#go(goToPlace(place, this.#history)), changed });
    this.#commands = new CommandsView({
      send: (body) => postJson('/commands', body, this.#session.token ?? ''),
      say: (text, bad) => this.#say(text, bad),
    });
    this.#build();
    this.#listen();
  }

  async start(): Promise<void> {
    this.#setTheme(rememberedTheme());
    await this.#readSession();
    if (this.#session.mode === 'replay') {
      try {
        this.#openTrace(await getText('/trace'), this.#session.title);
      } catch (error) {
        this.#say(`No trace: ${messageOf(error)}`, true);
      }
    } else {
      this.#connection.open();
      document.addEventListener('visibilitychange', () => this.#followWhileSeen());
    }
    every(REFRESH_MS, () => this.#want());
    this.#want();
  }

  async #readSession(): Promise<void> {
    try {
      this.#session = (await getJson('/session')) as PageSession;
    } catch (error) {
      this.#say(`No session: ${messageOf(error)}`, true);
    }
    document.title = this.#session.title;
    this.#commands.setSession(this.#session);
  }

  /** A browser has few connections to one server: pages that nobody sees hold none, and catch up when they are seen again. */
  #followWhileSeen(): void {
    if (this.#local) return;
    if (document.visibilityState === 'hidden') this.#connection.close();
    else if (!this.#connection.isOpen) this.#connection.open();
  }

  #build(): void {
    const timelineTools = h(
      'div',
      { class: 'timeline-tools' },
      button('−', { key: 'Shift+Z', title: 'Longer time' }, () => this.#timeline.zoomBy(2)),
      button('+', { key: 'z', title: 'Shorter time' }, () => this.#timeline.zoomBy(0.5)),
      button('↔', { key: 'w', title: 'All of the time' }, () => this.#timeline.showWhole()),
      button('≡', { key: 'i', title: 'Lanes of all sources, or of the chosen one' }, () => this.#timeline.toggleLanes()),
    );
    const timeline = h('section', { class: 'timeline', 'aria-label': 'Timeline' }, timelineTools, this.#timeline.element);
    this.#root.replaceChildren(
      this.#bar.element,
      this.#banner,
      this.#sources.element,
      h('main', {}, this.#stage.element, this.#events.element),
      timeline,
      this.#said,
      this.#commands.element,
      this.#help.element,
      this.#file,
    );
  }

  // What comes in

  #take(event: VisualizerEvent): void {
    if (this.#local || !this.#arrivals.isNew(event)) return;
    this.#append(event);
    this.#want();
  }

  /** Another process answers at this address: nothing of the one before counts any more. */
  async #startAnew(): Promise<void> {
    this.#arrivals = new Arrivals();
    this.#begin(new History(), new Lanes());
    this.#chosen = null;
    this.#picked = false;
    this.#live();
    await this.#readSession();
  }

  #begin(history: History, lanes: Lanes): void {
    this.#history = history;
    this.#lanes = lanes;
    this.#failures = 0;
    this.#failuresFrom = history.firstPlace;
    this.#events.reset();
  }

  /** What is live is shown by its time; that of before cannot be gone back to. */
  #followClock(event: VisualizerEvent): void {
    if (this.#local || isToldAgain(event) || event.atMs > this.#history.lastMs - CLOCK_STEP_MS) return;
    const model = setBack(this.#history.latest, event.atMs);
    const lanes = new Lanes();
    lanes.begin(model);
    this.#begin(new History(undefined, model), lanes);
    this.#live();
    this.#say('The clock was set back: what came before is gone from here.', false);
  }

  #append(event: VisualizerEvent): void {
    this.#followClock(event);
    const before = this.#history.latest;
    const model = this.#history.append(event);
    this.#lanes.take(before, model, event);
    if (isFailure(event)) this.#failures += 1;
    // What cannot be gone back to is not drawn either.
    if (this.#history.firstPlace !== this.#failuresFrom) {
      this.#failuresFrom = this.#history.firstPlace;
      this.#lanes.forget(this.#history.firstMs);
    }
    if (event.kind === 'state' && !this.#picked) this.#chosen = sortedSources({ model })[0]!.name;
  }

  #setConnected(connected: boolean): void {
    if (this.#local) return;
    this.#connected = connected;
    if (connected) this.#cutSinceMs = null;
    else this.#cutSinceMs ??= unixMs();
    this.#want();
  }

  #openTrace(text: string, title: string): void {
    const { events, unreadable } = parseTrace(text);
    if (events.length === 0) {
      this.#say(`${title} holds no events.`, true);
      return;
    }
    this.#connection.close();
    this.#local = true;
    this.#replay = true;
    this.#cutSinceMs = null;
    this.#begin(new History(events.length + 1_000), new Lanes(TRACE_LANE_LIMIT));
    this.#chosen = null;
    this.#picked = false;
    for (const event of events) this.#append(event);
    this.#session = { ...this.#session, title, mode: 'replay', commands: [], token: null };
    this.#commands.setSession(this.#session);
    document.title = title;
    this.#speed = defaultSpeed(this.#history.lastMs - this.#history.firstMs);
    this.#moment = goToPlace(this.#firstWithState(), this.#history);
    this.#timeline.showWhole();
    if (unreadable > 0) this.#say(`${unreadable} lines of ${title} are no events and were left out.`, true);
    this.#want();
  }

  /** The first place at which there is something to draw. */
  #firstWithState(): number {
    return this.#history.find(this.#history.firstPlace, 1, ({ kind }) => kind === 'state') ?? this.#history.firstPlace + 1;
  }

  async #openFile(file: File): Promise<void> {
    if (file.size > TRACE_LIMIT_BYTES) {
      this.#say(`${file.name} is larger than ${TRACE_LIMIT_BYTES / 1024 / 1024} MiB.`, true);
      return;
    }
    this.#openTrace(await file.text(), file.name);
  }

  // What the reader does

  #go(moment: Moment): void {
    this.#moment = moment;
    this.#want();
  }

  #live(): void {
    if (this.#replay) return;
    this.#timeline.follow();
    this.#go(LIVE);
  }

  #pause(): void {
    const now = this.#shown();
    if (this.#replay) {
      if (this.#moment.at === 'playing') this.#go({ at: 'place', ...now });
      else this.#go(play(now, this.#speed, this.#history, pageMs()));
    } else if (this.#moment.at === 'live') this.#go({ at: 'place', ...now });
    else this.#live();
  }

  #setSpeed(speed: number): void {
    const now = this.#shown();
    this.#speed = speed;
    if (this.#moment.at === 'playing') this.#moment = play(now, speed, this.#history, pageMs());
    this.#want();
  }

  #step(by: 1 | -1, test: (event: VisualizerEvent) => boolean): void {
    const { place } = this.#shown();
    const next = this.#history.find(place, by, test) ?? (test === isFailure ? this.#history.find(by === 1 ? this.#history.firstPlace : this.#history.lastPlace + 1, by, test) : null);
    if (next === null) {
      if (test === isFailure) this.#say('No failure has been noted.', false);
      return;
    }
    const event = this.#history.eventAt(next);
    if (test === isFailure && event?.kind === 'note' && event.source !== null && this.#history.latest.sources.has(event.source)) this.#chosen = event.source;
    this.#go(goToPlace(next, this.#history));
  }

  /** Over events of the chosen source that change its headline. */
  #stepState(by: 1 | -1): void {
    const history = this.#history;
    const source = this.#chosen ?? '';
    const from = this.#shown().place;
    const isChange = (place: number): boolean => {
      const [before, after] = [history.modelAt(place - 1).sources.get(source), history.modelAt(place).sources.get(source)];
      return before?.headline !== after?.headline || before?.ended !== after?.ended;
    };
    for (let place = from + by; place > history.firstPlace && place <= history.lastPlace; place += by) {
      const event = history.eventAt(place);
      const moves = event !== undefined && 'source' in event && event.source === source && (event.kind === 'state' || event.kind === 'end' || (event.kind === 'step' && event.active !== undefined));
      if (moves && isChange(place)) {
        this.#go(goToPlace(place, history));
        return;
      }
    }
  }

  #choose(source: string): void {
    this.#chosen = source;
    this.#picked = true;
    this.#want();
  }

  #chooseNth(nth: number): void {
    const source = sortedSources({ model: this.#history.latest })[nth];
    if (source !== undefined) this.#choose(source.name);
  }

  #chooseNext(by: 1 | -1): void {
    const sources = sortedSources({ model: this.#history.latest });
    const at = sources.findIndex(({ name }) => name === this.#chosen);
    if (sources.length > 0) this.#choose(sources[(at + by + sources.length) % sources.length]!.name);
  }

  #openCommands(): void {
    this.#commands.open(sortedSources({ model: this.#history.latest }).map(({ name }) => name), this.#chosen);
  }

  #say(text: string, bad: boolean): void {
    setText(this.#said, text);
    this.#said.classList.toggle('bad', bad);
    this.#said.hidden = false;
    this.#cancelSaid();
    if (!bad) this.#cancelSaid = after(SAID_MS, () => (this.#said.hidden = true));
  }

  #switchTheme(): void {
    const dark = document.documentElement.dataset['theme'] ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
    const theme = dark === 'dark' ? 'light' : 'dark';
    rememberTheme(theme);
    this.#setTheme(theme);
  }

  #setTheme(theme: string | null): void {
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset['theme'] = theme;
  }

  // What is shown

  #shown(): { readonly place: number; readonly atMs: number } {
    return shownAt(this.#moment, this.#history, { nowMs: unixMs(), pageMs: pageMs() });
  }

  #want(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    requestAnimationFrame(() => {
      this.#wanted = false;
      this.#render();
    });
  }

  #render(): void {
    const shown = this.#shown();
    if (this.#moment.at === 'playing') {
      if (shown.atMs >= this.#history.lastMs) this.#moment = { at: 'place', ...shown };
      else this.#want();
    }
    const model = this.#history.modelAt(shown.place);
    const frame: Frame = {
      ...shown,
      model,
      moment: this.#moment,
      history: this.#history,
      lanes: this.#lanes,
      chosen: this.#chosenIn(model.sources),
      replay: this.#replay,
      ofDay: this.#history.lastMs >= OF_DAY_FROM_MS,
    };
    this.#bar.update(frame, {
      title: this.#session.title,
      connected: this.#connected,
      speed: this.#speed,
      commands: this.#commands.some,
      failures: this.#failures,
      newer: this.#moment.at === 'place' ? this.#history.lastPlace - shown.place : 0,
    });
    this.#sources.update(frame);
    this.#stage.update(frame);
    this.#events.update(frame);
    this.#timeline.update(frame);
    const cut = this.#cutSinceMs;
    this.#banner.hidden = cut === null;
    if (cut !== null) {
      setText(this.#banner, `⚡ Not connected for ${Math.max(0, Math.floor((unixMs() - cut) / 1_000))} s: what is shown may be old. Trying again by itself.`);
    }
  }

  #chosenIn(sources: ReadonlyMap<string, SourceModel>): SourceModel | null {
    return sources.get(this.#chosen ?? '') ?? null;
  }

  /** For measuring: the first drawing is on the page. */
  #markDrawn(): void {
    requestAnimationFrame(() => {
      if (performance.getEntriesByName('chart-drawn').length === 0) performance.mark('chart-drawn');
    });
  }

  // Keys and files

  #listen(): void {
    document.addEventListener('keydown', (event) => this.#onKey(event));
    this.#file.addEventListener('change', () => {
      const [file] = this.#file.files ?? [];
      if (file !== undefined) void this.#openFile(file);
      this.#file.value = '';
    });
    document.addEventListener('dragover', (event) => event.preventDefault());
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer?.files ?? [];
      if (file !== undefined) void this.#openFile(file);
    });
    this.#said.addEventListener('click', () => (this.#said.hidden = true));
  }

  #onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const inDialog = document.querySelector('dialog[open]') !== null;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (inDialog) {
      if (event.key === '?' && this.#help.element.open) this.#help.toggle();
      return;
    }
    if (typing && event.key !== 'Escape') return;
    // A button that has the focus is pressed by the space bar.
    if (event.key === ' ' && target instanceof HTMLButtonElement) return;
    if (this.#keyInTimeline(event) || this.#press(event.key, event.shiftKey)) event.preventDefault();
  }

  #keyInTimeline({ key, shiftKey, target }: KeyboardEvent): boolean {
    if (!(target instanceof HTMLElement) || !target.classList.contains('field')) return false;
    const sign = key === 'ArrowLeft' || key === 'ArrowDown' ? -1 : key === 'ArrowRight' || key === 'ArrowUp' ? 1 : 0;
    const share = key === 'PageUp' || key === 'PageDown' ? (key === 'PageUp' ? 0.5 : -0.5) : sign * (shiftKey ? 0.1 : 0.01);
    if (share === 0) return false;
    this.#go(goToTime(this.#shown().atMs + share * this.#timeline.windowMs, this.#history));
    return true;
  }

  #press(key: string, shift: boolean): boolean {
    const action = actionOf(key);
    if (/^[1-9]$/.test(key) && !shift) this.#chooseNth(Number(key) - 1);
    else if (action !== null) this.#actions[action]();
    else return false;
    return true;
  }

  readonly #actions: Readonly<Record<KeyAction, () => void>> = {
    live: () => this.#live(),
    pause: () => this.#pause(),
    eventBack: () => this.#step(-1, () => true),
    eventOn: () => this.#step(1, () => true),
    stateBack: () => this.#stepState(-1),
    stateOn: () => this.#stepState(1),
    failureOn: () => this.#step(1, isFailure),
    failureBack: () => this.#step(-1, isFailure),
    first: () => this.#go(goToPlace(this.#history.firstPlace + 1, this.#history)),
    last: () => this.#go(goToPlace(this.#history.lastPlace, this.#history)),
    shorterTime: () => this.#timeline.zoomBy(0.5),
    longerTime: () => this.#timeline.zoomBy(2),
    wholeTime: () => this.#timeline.showWhole(),
    faster: () => this.#setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.#speed) + 1)]!),
    slower: () => this.#setSpeed(SPEEDS[Math.max(0, SPEEDS.indexOf(this.#speed) - 1)]!),
    sourceBack: () => this.#chooseNext(-1),
    sourceOn: () => this.#chooseNext(1),
    intoMachine: () => this.#stage.focus(),
    regionOn: () => this.#stage.cycle(1),
    regionBack: () => this.#stage.cycle(-1),
    allRegions: () => this.#stage.toggleAll(),
    larger: () => this.#stage.zoomBy(1.25),
    smaller: () => this.#stage.zoomBy(0.8),
    fit: () => this.#stage.fit(),
    fitAll: () => this.#stage.fitAll(),
    values: () => this.#sources.toggle(),
    lanes: () => this.#timeline.toggleLanes(),
    search: () => {
      this.#root.classList.remove('without-events');
      this.#events.focusSearch();
    },
    events: () => void this.#root.classList.toggle('without-events'),
    commands: () => this.#openCommands(),
    openFile: () => this.#file.click(),
    theme: () => this.#switchTheme(),
    help: () => this.#help.toggle(),
    letGo: () => {
      this.#said.hidden = true;
      const { activeElement } = document;
      if (!this.#stage.unpin() && (activeElement instanceof HTMLElement || activeElement instanceof SVGElement)) activeElement.blur();
    },
  };
}

/** After a gap, or from the beginning, what is known is told again with the times that it had. */
const isToldAgain = (event: VisualizerEvent): boolean => event.kind === 'chart' || event.kind === 'end' || (event.kind === 'state' && !event.fresh);

const isFailure = (event: VisualizerEvent): boolean => event.kind === 'note' && event.level === 'failure';

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

/** A replay takes about a minute. */
function defaultSpeed(lengthMs: number): number {
  return SPEEDS.find((speed) => speed >= 1 && lengthMs / speed <= 90_000) ?? SPEEDS.at(-1)!;
}
