/**
 * Records a simulation as events for the visualiser. Each node is a source, times are simulated, and faults and violations become notes.
 * Recording does not affect the run: the same seed leads to the same run and the same events.
 */
import { NodeRecord } from '../node/node-record.ts';
import type { NodeWatcher } from '../node/compose-node.ts';
import type { Config } from '../config/settings.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Chart, EventSink, NewEvent } from '../visualizer/wire.ts';
import type { FaultStep } from './scenario.ts';
import type { Violation } from './watch/violation.ts';
import { EPOCH_MS, type SimClock } from './world/sim-clock.ts';
import type { Life } from './world/sim-node.ts';

export interface EventRecordModules {
  readonly config: Config;
  /** Simulated milliseconds. */
  readonly nowMs: () => number;
  readonly nameOf: (wallet: Wallet) => string | null;
  /** Receives each event as a line of JSON, without a line break. */
  readonly write: (line: string) => void;
}

export class EventRecord implements EventSink {
  readonly #modules: EventRecordModules;
  readonly #charts = new Set<string>();
  /** The record of each node's latest process. */
  readonly #records = new Map<string, NodeRecord>();
  /** Nodes whose process has ended. */
  readonly #ended = new Set<string>();
  #last = 0;

  constructor(modules: EventRecordModules) {
    this.#modules = modules;
  }

  addChart(chart: Chart, atMs: number): void {
    if (this.#charts.has(chart.id)) return;
    this.#charts.add(chart.id);
    this.add({ kind: 'chart', atMs, chart });
  }

  add(event: NewEvent): void {
    if (event.kind === 'state') this.#ended.delete(event.source);
    if (event.kind === 'end') {
      if (this.#ended.has(event.source)) return;
      this.#ended.add(event.source);
    }
    this.#last += 1;
    this.#modules.write(JSON.stringify({ n: this.#last, ...event }));
  }

  /** The watcher for a process that is about to start. */
  watcherOf(name: string, clock: SimClock): NodeWatcher {
    const record = new NodeRecord(
      { source: name, peersAfterSyncTicks: true },
      { clock, sink: this, nowMs: this.#modules.nowMs, readerMs: (nodeMs) => nodeMs - EPOCH_MS, nameOf: this.#modules.nameOf },
    );
    this.#records.set(name, record);
    return record;
  }

  onStart({ name, node }: Life): void {
    this.#records.get(name)?.attach(node, this.#modules.config);
  }

  onEnd({ name, stopping }: Life): void {
    this.#records.get(name)?.detach();
    this.add({ kind: 'end', atMs: this.#modules.nowMs(), source: name, how: stopping ? 'stopped' : 'killed' });
  }

  onFault({ kind, node, other, forMs }: FaultStep): void {
    const towards = other === '' ? '' : ` towards ${other}`;
    this.#note('fault', node === '' ? null : node, `${kind}${towards}${forMs === 0 ? '' : `, for ${forMs / 1_000} s`}`);
  }

  onViolation({ invariant, detail, node }: Violation): void {
    this.#note('failure', node, `${invariant}: ${detail}`);
  }

  #note(level: 'fault' | 'failure', source: string | null, text: string): void {
    this.add({ kind: 'note', atMs: this.#modules.nowMs(), source, level, text });
  }
}
