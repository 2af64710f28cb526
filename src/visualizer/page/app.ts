/** The page: receives events, chooses a moment, and makes all views show it. Defines the actions; core/keys.ts assigns keys to them. */
import type { PageSession, VisualizerEvent } from '../wire.ts';
import { every, getJson, getText, pageMs, postJson, unixMs } from './browser.ts';
import { layoutOf } from './chart-layout.ts';
import { Connection } from './connection.ts';
import { Arrivals } from './core/arrivals.ts';
import { Choice } from './core/choice.ts';
import type { History } from './core/history.ts';
import type { KeyAction } from './core/keys.ts';
import { TRACE_LANE_LIMIT } from './core/limits.ts';
import { goToPlace, goToTime, LIVE, type Moment, type Shown } from './core/moment.ts';
import { Playhead, type Clocks } from './core/playhead.ts';
import { Recording } from './core/recording.ts';
import { firstState, nextChange, nextEvent, nextFailure, type Direction } from './core/steps.ts';
import { parseTrace } from './core/trace.ts';
import { listenToKeys } from './keyboard.ts';
import { showRememberedTheme, switchTheme } from './theme.ts';
import { TraceFiles } from './trace-files.ts';
import { BarView } from './view/bar-view.ts';
import { CommandsView } from './view/commands-view.ts';
import { button, h } from './view/dom.ts';
import { EventsView } from './view/events-view.ts';
import type { Frame } from './view/frame.ts';
import { HelpView } from './view/help-view.ts';
import { NoticesView } from './view/notices-view.ts';
import { sortedSources, SourcesView } from './view/sources-view.ts';
import { StageView } from './view/stage-view.ts';
import { TimelineView } from './view/timeline-view.ts';

/** Time between two drawings of the page when no events arrive, so that the shown ages stay correct. Milliseconds. */
const REFRESH_MS = 250;
/** A moment in 2001. Later times come from a real clock; earlier times come from a simulated clock. Unix milliseconds. */
const OF_DAY_FROM_MS = 1_000_000_000_000;

export class App {
  readonly #root: HTMLElement;
  #recording = new Recording();
  #arrivals = new Arrivals();
  #playhead = Playhead.live();
  #choice = new Choice();
  #session: PageSession = { title: 'state machines', mode: 'live', commands: [], token: null };
  #connected = false;
  #cutSinceMs: number | null = null;
  #wanted = false;
  readonly #connection: Connection;
  readonly #bar: BarView;
  readonly #sources: SourcesView;
  readonly #stage: StageView;
  readonly #timeline: TimelineView;
  readonly #events: EventsView;
  readonly #commands: CommandsView;
  readonly #help = new HelpView();
  readonly #notices = new NoticesView();
  readonly #files = new TraceFiles({ open: (text, name) => this.#openTrace(text, name), refuse: (why) => this.#notices.say(why, true) });

  readonly #actions: Readonly<Record<KeyAction, () => void>> = {
    live: () => this.#live(),
    pause: () => this.#pause(),
    eventBack: () => this.#step(-1),
    eventOn: () => this.#step(1),
    stateBack: () => this.#toChange(-1),
    stateOn: () => this.#toChange(1),
    failureOn: () => this.#toFailure(1),
    failureBack: () => this.#toFailure(-1),
    first: () => this.#go(goToPlace(this.#history.firstPlace + 1, this.#history)),
    last: () => this.#go(goToPlace(this.#history.lastPlace, this.#history)),
    shorterTime: () => this.#timeline.zoomBy(0.5),
    longerTime: () => this.#timeline.zoomBy(2),
    wholeTime: () => this.#timeline.showWhole(),
    faster: () => this.#play((playhead, clocks) => playhead.faster(this.#history, clocks)),
    slower: () => this.#play((playhead, clocks) => playhead.slower(this.#history, clocks)),
    sourceBack: () => this.#choose((choice) => choice.pickNext(this.#names(), -1)),
    sourceOn: () => this.#choose((choice) => choice.pickNext(this.#names(), 1)),
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
    openFile: () => this.#files.ask(),
    theme: switchTheme,
    help: () => this.#help.toggle(),
    letGo: () => {
      this.#notices.dismiss();
      const { activeElement } = document;
      if (!this.#stage.unpin() && (activeElement instanceof HTMLElement || activeElement instanceof SVGElement)) activeElement.blur();
    },
  };

  constructor(root: HTMLElement) {
    this.#root = root;
    const changed = (): void => this.#want();
    this.#connection = new Connection({
      onOtherLog: () => void this.#startOver(),
      onEvent: (event) => this.#take(event),
      onChange: (connected) => this.#setConnected(connected),
    });
    this.#bar = new BarView({
      live: () => this.#live(),
      pause: () => this.#pause(),
      step: (direction) => this.#step(direction),
      jump: (direction) => this.#toFailure(direction),
      setSpeed: (speed) => this.#play((playhead, clocks) => playhead.setSpeed(speed, this.#history, clocks)),
      openFile: () => this.#files.ask(),
      commands: () => this.#openCommands(),
      theme: switchTheme,
      help: () => this.#help.toggle(),
    });
    this.#sources = new SourcesView({ choose: (source) => this.#choose((choice) => choice.pick(source)), changed });
    this.#stage = new StageView({ layoutOf, onDrawn: () => this.#markDrawn(), changed });
    this.#timeline = new TimelineView({
      goToTime: (atMs) => this.#go(goToTime(atMs, this.#history)),
      choose: (source) => this.#choose((choice) => choice.pick(source)),
      changed,
    });
    this.#events = new EventsView({ goToPlace: (place) => this.#go(goToPlace(place, this.#history)), changed });
    this.#commands = new CommandsView({
      send: (body) => postJson('/commands', body, this.#session.token ?? ''),
      say: (text, bad) => this.#notices.say(text, bad),
    });
    this.#build();
    listenToKeys({
      actions: this.#actions,
      chooseNth: (nth) => this.#choose((choice) => choice.pick(this.#names()[nth])),
      moveInTimeline: (share) => this.#go(goToTime(this.#shown().atMs + share * this.#timeline.windowMs, this.#history)),
      helpIsOpen: () => this.#help.element.open,
    });
  }

  async start(): Promise<void> {
    showRememberedTheme();
    await this.#readSession();
    if (this.#session.mode === 'replay') await this.#openServedTrace();
    else {
      this.#connection.open();
      document.addEventListener('visibilitychange', () => this.#followWhileSeen());
    }
    every(REFRESH_MS, () => this.#want());
    this.#want();
  }

  async #openServedTrace(): Promise<void> {
    try {
      this.#openTrace(await getText('/trace'), this.#session.title);
    } catch (error) {
      this.#notices.say(`No trace: ${messageOf(error)}`, true);
    }
  }

  async #readSession(): Promise<void> {
    try {
      this.#session = (await getJson('/session')) as PageSession;
    } catch (error) {
      this.#notices.say(`No session: ${messageOf(error)}`, true);
    }
    document.title = this.#session.title;
    this.#commands.setSession(this.#session);
  }

  /**
   * A browser allows only a few connections to one server. So a hidden page closes its connection, and catches up when it is visible again.
   */
  #followWhileSeen(): void {
    if (this.#playhead.replay) return;
    if (document.visibilityState === 'hidden') this.#connection.close();
    else if (!this.#connection.isOpen) this.#connection.open();
  }

  #build(): void {
    const timelineTools = h(
      'div',
      { class: 'timeline-tools' },
      button('−', { key: 'Shift+Z', title: 'Show a longer period' }, () => this.#timeline.zoomBy(2)),
      button('+', { key: 'z', title: 'Show a shorter period' }, () => this.#timeline.zoomBy(0.5)),
      button('↔', { key: 'w', title: 'Show the whole history' }, () => this.#timeline.showWhole()),
      button('≡', { key: 'i', title: 'Lanes of all sources, or only of the chosen source' }, () => this.#timeline.toggleLanes()),
    );
    const timeline = h('section', { class: 'timeline', 'aria-label': 'Timeline' }, timelineTools, this.#timeline.element);
    this.#root.replaceChildren(
      this.#bar.element,
      this.#notices.banner,
      this.#sources.element,
      h('main', {}, this.#stage.element, this.#events.element),
      timeline,
      this.#notices.message,
      this.#commands.element,
      this.#help.element,
      this.#files.element,
    );
  }

  // Incoming events

  #take(event: VisualizerEvent): void {
    if (this.#playhead.replay || !this.#arrivals.isNew(event)) return;
    this.#append(event);
    this.#want();
  }

  /** Another process now answers at this address, so the page drops everything that it knows about the old process. */
  async #startOver(): Promise<void> {
    this.#arrivals = new Arrivals();
    this.#begin(new Recording());
    this.#live();
    await this.#readSession();
    // The old process may have been live, and the new one may show a trace, whose times are in the past.
    if (this.#session.mode === 'replay') await this.#openServedTrace();
  }

  #begin(recording: Recording): void {
    this.#recording = recording;
    this.#choice = new Choice();
    this.#stage.reset();
    this.#events.reset();
  }

  #append(event: VisualizerEvent): void {
    // The page finds moments by their time. After a clock has been set back, the moments before that change can no longer be found.
    if (this.#recording.isSetBackBy(event)) {
      this.#recording.setBack(event.atMs);
      this.#events.reset();
      this.#live();
      this.#notices.say('The clock was set back: earlier events are no longer shown.', false);
    }
    this.#recording.append(event);
    if (event.kind === 'state') this.#choice.suggestFirst(this.#names());
  }

  #setConnected(connected: boolean): void {
    if (this.#playhead.replay) return;
    this.#connected = connected;
    if (connected) this.#cutSinceMs = null;
    else this.#cutSinceMs ??= unixMs();
    this.#want();
  }

  #openTrace(text: string, title: string): void {
    const { events, unreadable } = parseTrace(text);
    if (events.length === 0) {
      this.#notices.say(`${title} contains no events.`, true);
      return;
    }
    this.#connection.close();
    this.#cutSinceMs = null;
    const recording = new Recording({ events: events.length + 1_000, lane: TRACE_LANE_LIMIT });
    for (const event of events) recording.append(event);
    this.#begin(recording);
    this.#choice.suggestFirst(this.#names());
    this.#session = { ...this.#session, title, mode: 'replay', commands: [], token: null };
    this.#commands.setSession(this.#session);
    document.title = title;
    this.#playhead = Playhead.replay(this.#history.lastMs - this.#history.firstMs, goToPlace(firstState(this.#history), this.#history));
    this.#timeline.showWhole();
    if (unreadable > 0) this.#notices.say(`Lines of ${title} that are not events and were ignored: ${unreadable}.`, true);
    this.#want();
  }

  // Actions of the reader

  #play(change: (playhead: Playhead, clocks: Clocks) => void): void {
    change(this.#playhead, clocks());
    this.#want();
  }

  #go(moment: Moment): void {
    this.#play((playhead) => playhead.go(moment));
  }

  #live(): void {
    if (this.#playhead.replay) return;
    this.#timeline.follow();
    this.#go(LIVE);
  }

  #pause(): void {
    const { replay, moment } = this.#playhead;
    if (!replay && moment.at === 'place') this.#live();
    else this.#play((playhead, clocks) => playhead.pause(this.#history, clocks));
  }

  #step(direction: Direction): void {
    const next = nextEvent(this.#history, this.#shown().place, direction);
    if (next !== null) this.#go(goToPlace(next, this.#history));
  }

  #toChange(direction: Direction): void {
    const next = nextChange(this.#history, this.#shown().place, direction, this.#choice.name ?? '');
    if (next !== null) this.#go(goToPlace(next, this.#history));
  }

  #toFailure(direction: Direction): void {
    const next = nextFailure(this.#history, this.#shown().place, direction);
    if (next === null) {
      this.#notices.say('No failure has been recorded.', false);
      return;
    }
    const event = this.#history.eventAt(next);
    if (event?.kind === 'note' && event.source !== null && this.#history.latest.sources.has(event.source)) this.#choice.show(event.source);
    this.#go(goToPlace(next, this.#history));
  }

  #choose(change: (choice: Choice) => void): void {
    change(this.#choice);
    this.#want();
  }

  #openCommands(): void {
    this.#commands.open(this.#names(), this.#choice.name);
  }

  // Drawing

  get #history(): History {
    return this.#recording.history;
  }

  #names(): readonly string[] {
    return sortedSources({ model: this.#history.latest }).map(({ name }) => name);
  }

  #shown(): Shown {
    return this.#playhead.shown(this.#history, clocks());
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
    if (this.#playhead.settle(this.#history, clocks())) this.#want();
    const shown = this.#shown();
    const { moment, replay, speed } = this.#playhead;
    const model = this.#history.modelAt(shown.place);
    const frame: Frame = {
      ...shown,
      model,
      moment,
      history: this.#history,
      lanes: this.#recording.lanes,
      chosen: model.sources.get(this.#choice.name ?? '') ?? null,
      replay,
      ofDay: this.#history.lastMs >= OF_DAY_FROM_MS,
    };
    this.#bar.update(frame, {
      title: this.#session.title,
      connected: this.#connected,
      speed,
      commands: this.#commands.some,
      failures: this.#recording.failures,
      newer: moment.at === 'place' ? this.#history.lastPlace - shown.place : 0,
    });
    this.#sources.update(frame);
    this.#stage.update(frame);
    this.#events.update(frame);
    this.#timeline.update(frame);
    this.#notices.update(this.#cutSinceMs);
  }

  /** Marks the time of the first drawing on the page, for measurements. */
  #markDrawn(): void {
    requestAnimationFrame(() => {
      if (performance.getEntriesByName('chart-drawn').length === 0) performance.mark('chart-drawn');
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

function clocks(): Clocks {
  return { nowMs: unixMs(), pageMs: pageMs() };
}
