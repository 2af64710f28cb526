/**
 * A node as a recorder's source: its machine's chart and what of its context may be shown, each sync_tick as a span, and
 * figures about its peers. The same for a process that is watched and for a simulated node.
 */
import type { AnyMachineSnapshot } from 'xstate';
import { chartOf } from '../chart/chart-of.ts';
import { edgeIdsOf } from '../chart/edge-ids.ts';
import type { Config } from '../config/settings.ts';
import type { ReplicationFigures } from '../domain/figures.ts';
import type { Clock, Log } from '../domain/ports.ts';
import { createNodeShown } from '../machines/shown.ts';
import type { NodeSnapshot } from '../machines/status.ts';
import { bounded, changesOf, recordActor } from '../visualizer/recorder.ts';
import type { EventSink, Shown } from '../visualizer/wire.ts';
import type { ComposedNode, NodeWatcher } from './compose-node.ts';

export interface NodeRecordOptions {
  /** Who the node is, for a reader. */
  readonly source: string;
}

export interface NodeRecordModules {
  /** The node's own. */
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** The time of day of whoever reads; the node's when absent. Milliseconds. */
  readonly nowMs?: () => number;
  readonly sink: EventSink;
  readonly log: Log;
}

export class NodeRecord implements NodeWatcher {
  readonly #source: string;
  readonly #modules: NodeRecordModules;
  readonly #nowMs: () => number;
  #spans = 0;
  #figures: Shown = {};
  #replicas: ComposedNode['inside']['replicas'] | null = null;

  constructor({ source }: NodeRecordOptions, modules: NodeRecordModules) {
    this.#source = source;
    this.#modules = modules;
    this.#nowMs = modules.nowMs ?? (() => modules.clock.nowMs());
  }

  readonly watchSyncTick = (nudged: boolean): ((outcome: string) => void) => {
    this.#spans += 1;
    const span = this.#spans;
    const say = (outcome: string | null): void => {
      this.#modules.sink.add({ kind: 'span', atMs: this.#nowMs(), source: this.#source, name: 'sync_tick', span, outcome });
    };
    say(null);
    return (outcome) => say(nudged ? `${outcome}, after a write` : outcome);
  };

  /** Watches from here on; before the node is started. */
  attach(node: ComposedNode, config: Pick<Config, 'nodeTickMs' | 'chainConfirmations'>): void {
    const { clock, sink, log } = this.#modules;
    const { actor } = node;
    const nodeShown = createNodeShown(config, { clock });
    this.#replicas = node.inside.replicas;
    recordActor(
      actor,
      { source: this.#source },
      {
        nowMs: this.#nowMs,
        sink,
        chart: chartOf(actor.logic),
        edgeIds: edgeIdsOf(actor.logic),
        shown: (snapshot: AnyMachineSnapshot) => ({ ...nodeShown(snapshot as NodeSnapshot), 'chain depth': config.chainConfirmations }),
        onFailure: () => log.error('the visualiser has lost sight of the machine'),
      },
    );
  }

  /** Says how far the peers are, where that has changed since the last time. */
  notePeers(): void {
    const { sink } = this.#modules;
    const figures = bounded({ peers: { rows: (this.#replicas?.views() ?? []).map(rowOf) } });
    const changes = changesOf(this.#figures, figures);
    if (changes === null) return;
    this.#figures = figures;
    sink.add({ kind: 'shown', atMs: this.#nowMs(), source: this.#source, shown: changes });
  }
}

function rowOf(peer: ReplicationFigures) {
  return {
    wallet: peer.wallet,
    acknowledged: peer.acknowledgedUpTo,
    'behind records': peer.behindRecords,
    'behind bytes': peer.behindBytes,
    'waiting retries': peer.waitingRetries,
    // A sentence of ours.
    'last error': peer.lastError,
    'next try': peer.nextTryMs === null ? null : { atMs: peer.nextTryMs },
    'last success': peer.lastSuccessMs === null ? null : { atMs: peer.lastSuccessMs },
  };
}
