/**
 * The visualiser of `npm start`: merges the events from the visualisers of all nodes into one stream, and serves this stream, the page and
 * its buttons. Nodes reach the RPC and each other through proxies in this process, so that a button can cut a connection.
 */
import { ClusterControls, ControlError } from '../../dev/cluster-controls.ts';
import type { ClusterNode, Environment } from '../../dev/cluster-node.ts';
import type { Cluster, NodePlan } from '../../dev/cluster.ts';
import type { Exit } from '../../dev/managed-process.ts';
import { PeerLinks } from '../../dev/peer-links.ts';
import { TcpRelay } from '../../dev/tcp-relay.ts';
import { DeadlineError, within } from '../../domain/deadline.ts';
import { systemClock, systemRandom } from '../../system/system.ts';
import { EventLog } from '../../visualizer/event-log.ts';
import { layoutOf } from '../../visualizer/layout.ts';
import { loadPageFiles } from '../../visualizer/page-files.ts';
import { CommandRefusal, type CommandRequest } from '../../visualizer/ports.ts';
import { serveVisualizer, type VisualizerServer } from '../../visualizer/server.ts';
import type { NoteEvent, Shown, ShownValue, VisualizerEvent } from '../../visualizer/wire.ts';
import { followEvents } from './follow-events.ts';
import { DEV_COMMANDS, type DevCommand } from './page-commands.ts';

/** Timeout of a command. Milliseconds. */
const COMMAND_TIMEOUT_MS = 60_000;
const TOKEN_BYTES = 24;

function drawToken(): string {
  return Buffer.from(systemRandom.bytes(TOKEN_BYTES)).toString('hex');
}

export interface DevVisualizerOptions {
  /** Names of the nodes. */
  readonly names: readonly string[];
  /** 0: any free port. */
  readonly port: number;
  /** The session's signal. After it has been aborted, commands are refused. */
  readonly signal: AbortSignal;
}

interface Doors {
  readonly links: PeerLinks;
  readonly rpc: TcpRelay;
}

export class DevVisualizer {
  /** Nodes accept commands only with this token. */
  readonly nodeToken = drawToken();
  readonly #log = new EventLog(drawToken().slice(0, 12));
  readonly #doors: Doors;
  readonly #stopping: AbortSignal;
  readonly #closing = new AbortController();
  readonly #following: Promise<void>[] = [];
  /** Nodes whose end has been logged. */
  readonly #ended = new Set<string>();
  #server: VisualizerServer | null = null;
  #controls: ClusterControls | null = null;
  #cluster: Cluster | null = null;

  private constructor(doors: Doors, stopping: AbortSignal) {
    this.#doors = doors;
    this.#stopping = stopping;
  }

  /** @throws the error of `listen` */
  static async start({ names, port, signal }: DevVisualizerOptions): Promise<DevVisualizer> {
    const visualizer = new DevVisualizer({ links: await PeerLinks.start(names), rpc: await TcpRelay.start() }, signal);
    try {
      await visualizer.#serve(port);
    } catch (error) {
      await visualizer.close();
      throw error;
    }
    return visualizer;
  }

  get url(): string {
    return this.#server!.url;
  }

  /** Environment variables for all nodes. */
  get environment(): Environment {
    return { NODE_URL: this.#doors.rpc.url };
  }

  planOf(name: string): NodePlan {
    return { environment: { HTTP_PROXY: this.#doors.links.urlOf(name) } };
  }

  /** Call this before the nodes start. */
  prepare(cluster: Cluster): void {
    const { links, rpc } = this.#doors;
    this.#cluster = cluster;
    rpc.targetPort = Number(new URL(cluster.chain.url).port);
    this.#controls = new ClusterControls({ cluster, links, rpc, token: this.nodeToken });
    for (const node of cluster.nodes) {
      links.setPort(node.name, node.port);
      this.#following.push(
        followEvents(`http://127.0.0.1:${node.visualizerPort!}`, { signal: this.#closing.signal, take: (event) => this.#take(node, event) }),
      );
    }
  }

  /** Logs the end of a node's process, unless the node itself has already reported it. */
  ended({ name }: ClusterNode, { code, signal }: Exit): void {
    if (this.#closing.signal.aborted || this.#ended.has(name)) return;
    this.#ended.add(name);
    const how = signal === null ? `ended with code ${code ?? 'none'}` : `ended by ${signal}`;
    this.#log.add({ kind: 'end', atMs: systemClock.nowMs(), source: name, how });
  }

  /**
   * Builds the page and the layouts now, so that the first reader does not have to wait. If this fails, the first request tries again.
   */
  async warmUp(): Promise<void> {
    await Promise.allSettled([loadPageFiles(), ...this.#log.charts().map((chart) => layoutOf(chart))]);
  }

  /** Call this after all nodes have ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#following);
    await this.#server?.close();
    await Promise.all([this.#doors.links.close(), this.#doors.rpc.close()]);
  }

  async #serve(port: number): Promise<void> {
    this.#server = await serveVisualizer(
      { port, title: 'Nova KMS cluster on this machine', mode: 'live' },
      {
        clock: systemClock,
        log: this.#log,
        loadPage: loadPageFiles,
        layoutOf,
        commands: {
          token: drawToken(),
          onPage: true,
          list: DEV_COMMANDS.map(({ command, label, takes, breaks }) => ({ command, label, takes, breaks })),
          run: (request) => this.#command(request),
        },
      },
    );
  }

  /** Adds a node's event to the log. Also adds the names of the nodes to the tables in the event. */
  #take({ name }: ClusterNode, event: VisualizerEvent): void {
    if (event.kind === 'chart') {
      this.#log.addChart(event.chart, event.atMs);
      return;
    }
    if (event.kind === 'state') this.#ended.delete(name);
    if (event.kind === 'end') this.#ended.add(name);
    const named = 'shown' in event ? { shown: this.#withNames(event.shown) } : {};
    this.#log.add({ ...event, ...named, source: name });
  }

  /** Adds the field `peer` to each row: the name of the node whose wallet the row contains, or null. */
  #withNames(shown: Shown): Shown {
    const nodes = this.#cluster?.nodes ?? [];
    return Object.fromEntries(
      Object.entries(shown).map(([label, value]): [string, ShownValue] => {
        if (value === null || typeof value !== 'object' || !('rows' in value)) return [label, value];
        const rows = value.rows.map((row) => ({ peer: nodes.find(({ wallet }) => wallet === row['wallet'])?.name ?? null, ...row }));
        return [label, { rows }];
      }),
    );
  }

  async #command(request: CommandRequest): Promise<void> {
    const controls = this.#controls;
    if (this.#stopping.aborted) throw new CommandRefusal(409, 'the cluster is stopping');
    if (controls === null) throw new CommandRefusal(409, 'the cluster has not started yet');
    const command = DEV_COMMANDS.find((each) => each.command === request.command);
    if (command === undefined) throw new CommandRefusal(404, 'there is no such command');
    const { source, peer } = placesOf(command, request);
    try {
      await within(systemClock, command.label, COMMAND_TIMEOUT_MS, this.#closing.signal, async () => command.run(controls, source, peer));
    } catch (error) {
      const why = error instanceof ControlError || error instanceof DeadlineError ? error.message : 'the command was not carried out';
      this.#note(source, 'info', `${command.label}: ${why}`);
      throw new CommandRefusal(error instanceof ControlError ? 409 : 500, why);
    }
    this.#note(source, command.breaks ? 'fault' : 'info', command.said(source, peer));
  }

  #note(source: string, level: NoteEvent['level'], text: string): void {
    this.#log.add({ kind: 'note', atMs: systemClock.nowMs(), source: source === '' ? null : source, level, text });
  }
}

function placesOf({ takes }: DevCommand, { source, peer }: CommandRequest): { readonly source: string; readonly peer: string } {
  if (takes !== 'nothing' && source === null) throw new CommandRefusal(400, 'which node?');
  if (takes === 'pair' && peer === null) throw new CommandRefusal(400, 'which two nodes?');
  return { source: takes === 'nothing' ? '' : source!, peer: takes === 'pair' ? peer! : '' };
}
