/**
 * Reports to the recorder what happens in one node: the chart of its machine, the part of the machine's context that may be shown, each
 * sync_tick as a span, and figures about its peers. Both watched processes and simulated nodes use this module.
 */
import type { AnyMachineSnapshot } from 'xstate';
import { chartOf } from '../chart/chart-of.ts';
import { edgeIdsOf } from '../chart/edge-ids.ts';
import type { Config } from '../config/settings.ts';
import type { ReplicationFigures } from '../domain/figures.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import { createNodeShown } from '../machines/shown.ts';
import type { NodeSnapshot } from '../machines/status.ts';
import { bounded, changesOf, recordActor } from '../visualizer/recorder.ts';
import type { EventSink, Shown } from '../visualizer/wire.ts';
import type { ComposedNode, NodeWatcher } from './compose-node.ts';

export interface NodeRecordOptions {
  /** The node's name, as a reader sees it. */
  readonly source: string;
  /** Whether to record the peers' figures after each sync_tick. If not, they are recorded only when `notePeers` is called. */
  readonly peersAfterSyncTicks?: boolean;
}

export interface NodeRecordModules {
  /** The node's clock. */
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** The reader's wall clock; if absent, the node's wall clock is used. Unix milliseconds. */
  readonly nowMs?: () => number;
  /** Converts a time of the node's wall clock to a time of the reader's wall clock. */
  readonly readerMs?: (nodeMs: number) => number;
  /** A shorter name for a peer; null if it has none. */
  readonly nameOf?: (wallet: Wallet) => string | null;
  readonly sink: EventSink;
  /** Called when the recorder cannot continue. */
  readonly onLost?: () => void;
}

export class NodeRecord implements NodeWatcher {
  readonly #options: NodeRecordOptions;
  readonly #source: string;
  readonly #modules: NodeRecordModules;
  readonly #readerMs: (nodeMs: number) => number;
  readonly #nowMs: () => number;
  #spans = 0;
  #figures: Shown = {};
  #replicas: ComposedNode['inside']['replicas'] | null = null;
  #stop: () => void = () => undefined;
  #isOver = false;

  constructor(options: NodeRecordOptions, modules: NodeRecordModules) {
    this.#options = options;
    this.#source = options.source;
    this.#modules = modules;
    this.#readerMs = modules.readerMs ?? ((nodeMs) => nodeMs);
    this.#nowMs = modules.nowMs ?? (() => modules.clock.nowMs());
  }

  readonly watchSyncTick = (nudged: boolean): ((outcome: string) => void) => {
    this.#spans += 1;
    const span = this.#spans;
    const say = (outcome: string | null): void => {
      if (this.#isOver) return;
      this.#modules.sink.add({ kind: 'span', atMs: this.#nowMs(), source: this.#source, name: 'sync_tick', span, outcome });
    };
    say(null);
    return (outcome) => {
      say(nudged ? `${outcome}, after a write` : outcome);
      if (this.#options.peersAfterSyncTicks === true) this.notePeers();
    };
  };

  /** Starts to watch. Call it before the node is started. */
  attach(node: ComposedNode, config: Pick<Config, 'nodeTickMs' | 'chainConfirmations'>): void {
    const { clock, sink, onLost } = this.#modules;
    const { actor } = node;
    const nodeShown = createNodeShown(config, { clock, secret: node.inside.secret, readerMs: this.#readerMs });
    this.#replicas = node.inside.replicas;
    this.#stop = recordActor(
      actor,
      { source: this.#source },
      {
        nowMs: this.#nowMs,
        sink,
        chart: chartOf(actor.logic),
        edgeIds: edgeIdsOf(actor.logic),
        shown: (snapshot: AnyMachineSnapshot) => ({
          ...nodeShown(snapshot as NodeSnapshot),
          'chain depth': config.chainConfirmations,
          'may say that a key is absent': node.inside.sureness.isSure(),
        }),
        onFailure: () => {
          // The recorder has reported that this source has ended. Later events would contradict that report.
          this.#isOver = true;
          onLost?.();
        },
      },
    );
  }

  /** Ends the record, because the process has ended. */
  detach(): void {
    this.#isOver = true;
    this.#stop();
  }

  /** Records the peers' figures that have changed since the last call. */
  notePeers(): void {
    if (this.#isOver) return;
    const { sink } = this.#modules;
    const figures = bounded({ peers: { rows: (this.#replicas?.views() ?? []).map((peer) => this.#rowOf(peer)) } });
    const changes = changesOf(this.#figures, figures);
    if (changes === null) return;
    this.#figures = figures;
    sink.add({ kind: 'shown', atMs: this.#nowMs(), source: this.#source, shown: changes });
  }

  #rowOf(peer: ReplicationFigures) {
    const { nameOf } = this.#modules;
    const momentOf = (nodeMs: number | null) => (nodeMs === null ? null : { atMs: this.#readerMs(nodeMs) });
    return {
      ...(nameOf === undefined ? {} : { peer: nameOf(peer.wallet) }),
      wallet: peer.wallet,
      acknowledged: peer.acknowledgedUpTo,
      'records behind': peer.behindRecords,
      'bytes behind': peer.behindBytes,
      'waiting retries': peer.waitingRetries,
      // The node wrote this sentence itself, so it may be shown.
      'last error': peer.lastError,
      'next try': momentOf(peer.nextTryMs),
      'last success': momentOf(peer.lastSuccessMs),
    };
  }
}
