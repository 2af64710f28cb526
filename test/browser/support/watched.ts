/** Machines of `crossing.ts` with a simulated clock. The production code records them and serves the page. */
import { createActor, SimulatedClock, type Actor } from 'xstate';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { edgeIdsOf } from '../../../src/chart/edge-ids.ts';
import { systemClock } from '../../../src/system/system.ts';
import { EventLog } from '../../../src/visualizer/event-log.ts';
import { layoutOf } from '../../../src/visualizer/layout.ts';
import { loadPageFiles } from '../../../src/visualizer/page-files.ts';
import { CommandRefusal, type CommandRequest } from '../../../src/visualizer/ports.ts';
import { recordActor } from '../../../src/visualizer/recorder.ts';
import { serveVisualizer, type VisualizerServer } from '../../../src/visualizer/server.ts';
import type { NewEvent, PageSession, Shown } from '../../../src/visualizer/wire.ts';
import { crossing, type CrossingContext } from './crossing.ts';

export class Watched {
  readonly log: EventLog;
  readonly commands: CommandRequest[] = [];
  /** The message with which the next command is refused; null means that it succeeds. */
  refusal: string | null = null;
  /** How far this clock is ahead of the system's clock. */
  #aheadMs = 0;
  #server: VisualizerServer | null = null;
  readonly #mode: PageSession['mode'];

  /** @param name the log's name; a log with a different name imitates a different process */
  constructor(mode: PageSession['mode'] = 'live', name = 'watched') {
    this.log = new EventLog(name);
    this.#mode = mode;
  }

  get url(): string {
    return this.#server!.url;
  }

  /** The number of current readers of the events. */
  get readers(): number {
    return this.#server!.readers;
  }

  nowMs(): number {
    return systemClock.nowMs() + this.#aheadMs;
  }

  /** Moves the clock forward, so that all earlier events become older by `ms`. */
  shiftMs(ms: number): void {
    this.#aheadMs += ms;
  }

  async serve(port = 0): Promise<void> {
    this.#server = await serveVisualizer(
      { port, title: 'crossings', mode: this.#mode },
      {
        clock: systemClock,
        log: this.log,
        loadPage: loadPageFiles,
        layoutOf,
        commands: {
          token: `token-of-${this.log.name}`,
          onPage: true,
          list: [
            { command: 'wave', label: 'Wave through', takes: 'nothing', breaks: false },
            { command: 'cut', label: 'Cut the power', takes: 'source', breaks: true },
            { command: 'part', label: 'Part them', takes: 'pair', breaks: true },
          ],
          run: async (request) => {
            this.commands.push(request);
            if (this.refusal !== null) throw new CommandRefusal(409, this.refusal);
          },
        },
      },
    );
  }

  /** @returns the port, so that the test can serve there again */
  async stopServing(): Promise<number> {
    const { port } = this.#server!;
    await this.#server!.close();
    return port;
  }

  add(event: NewEvent): void {
    this.log.add(event);
  }

  start(source: string, extra: Shown = {}): Crossing {
    return new Crossing(source, this, extra);
  }
}

export class Crossing {
  readonly clock = new SimulatedClock();
  readonly actor: Actor<typeof crossing>;
  readonly #stop: () => void;

  constructor(source: string, watched: Watched, extra: Shown) {
    this.actor = createActor(crossing, { clock: this.clock });
    const chart = chartOf(crossing);
    watched.log.addChart(chart, watched.nowMs());
    this.#stop = recordActor(
      this.actor,
      { source },
      {
        nowMs: () => watched.nowMs(),
        sink: watched.log,
        chart,
        edgeIds: edgeIdsOf(crossing),
        shown: ({ context, value }) => {
          const { waiting, cars } = context as CrossingContext;
          const { light } = value as { readonly light: string };
          return { reason: light === 'blinking' ? 'the power is gone' : light === 'red' ? 'cars wait' : null, waiting, cars, 'last clean': 'ok', ...extra };
        },
      },
    );
    this.actor.start();
  }

  send(...types: Parameters<typeof this.actor.send>[0]['type'][]): void {
    for (const type of types) this.actor.send({ type });
  }

  /** Ends the source as if its process had ended. */
  end(): void {
    this.actor.stop();
    this.#stop();
  }
}
