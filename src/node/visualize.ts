/**
 * The visualiser of one node, on a separate loopback port (`VISUALIZER_PORT`). A node without this setting does not load this module, so it
 * needs no memory for a visualiser.
 */
import type { Config } from '../config/settings.ts';
import type { Clock, Log, Random } from '../domain/ports.ts';
import { EventLog } from '../visualizer/event-log.ts';
import { layoutOf } from '../visualizer/layout.ts';
import { loadPageFiles } from '../visualizer/page-files.ts';
import { CommandRefusal, type CommandRequest, type Commands } from '../visualizer/ports.ts';
import { serveVisualizer } from '../visualizer/server.ts';
import type { ComposedNode, NodeWatcher } from './compose-node.ts';
import { NodeRecord } from './node-record.ts';

/** How often the peers' figures are recorded while there is a reader. Milliseconds. */
const FIGURES_EVERY_MS = 1_000;
const NAME_BYTES = 6;
/** The id of the only source of events, which is this node. */
const SOURCE = 'node';

export interface NodeVisualizer extends NodeWatcher {
  /** Call it before the node is started. If the port is already in use, the node runs without its visualiser. */
  start(node: ComposedNode): Promise<void>;
  /** Call it when the node accepts no new requests and is finishing those under way. */
  noteStopping(): void;
  /** Call it when the node has ended. */
  close(): Promise<void>;
}

export function createNodeVisualizer(
  config: Config & { readonly visualizerPort: number },
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): NodeVisualizer {
  const events = new EventLog(Buffer.from(random.bytes(NAME_BYTES)).toString('hex'));
  const record = new NodeRecord({ source: SOURCE }, { clock, sink: events, onLost: () => log.error('the visualiser no longer receives the events of the machine') });
  const closers: (() => Promise<void> | void)[] = [];
  return {
    watchSyncTick: record.watchSyncTick,
    async start(node) {
      record.attach(node, config);
      const { host, port } = config.bindAddress;
      try {
        const server = await serveVisualizer(
          { port: config.visualizerPort, title: `Nova KMS node at ${host}:${port}`, mode: 'live' },
          { clock, log: events, loadPage: loadPageFiles, layoutOf, commands: commandsOf(config, node), onFirstReader: () => record.notePeers() },
        );
        closers.push(() => server.close());
        closers.push(every(clock, FIGURES_EVERY_MS, () => {
          if (server.readers > 0) record.notePeers();
        }));
        log.info('visualiser listening', { url: server.url });
      } catch (error) {
        log.error('the visualiser cannot listen', { port: config.visualizerPort, code: (error as NodeJS.ErrnoException).code ?? 'unknown' });
      }
    },
    noteStopping() {
      events.add({ kind: 'note', atMs: clock.nowMs(), source: SOURCE, level: 'info', text: 'the node is stopping' });
    },
    async close() {
      record.detach();
      events.add({ kind: 'end', atMs: clock.nowMs(), source: SOURCE, how: 'stopped' });
      for (const close of closers.reverse()) await close();
    },
  };
}

/** Lets a caller with `VISUALIZER_COMMAND_TOKEN` start a node_tick or a sync_tick. The page does not have the token. */
function commandsOf({ visualizerCommandToken }: Config, { actor }: ComposedNode): Commands | undefined {
  if (visualizerCommandToken === undefined) return undefined;
  return {
    token: visualizerCommandToken,
    onPage: false,
    list: [],
    async run({ command }: CommandRequest) {
      if (command === 'node_tick') actor.send({ type: 'node_tick' });
      else if (command === 'sync_tick') actor.send({ type: 'sync_tick' });
      else throw new CommandRefusal(404, 'there is no such command');
    },
  };
}

/** Calls `work` every `ms` milliseconds. @returns a function that ends the calls */
function every(clock: Clock, ms: number, work: () => void): () => void {
  let timer = clock.setTimeout(tick, ms);
  function tick(): void {
    work();
    timer = clock.setTimeout(tick, ms);
  }
  return () => clock.clearTimeout(timer);
}
