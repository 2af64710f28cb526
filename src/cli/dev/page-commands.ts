/** The buttons of `npm start`'s page: the name of each button, what it needs, and what it does to the cluster. */
import type { ClusterControls } from '../../dev/cluster-controls.ts';
import type { PageCommand } from '../../visualizer/wire.ts';

export interface DevCommand extends PageCommand {
  /** The text that the timeline shows after the command has run. */
  readonly said: (source: string, peer: string) => string;
  readonly run: (controls: ClusterControls, source: string, peer: string) => Promise<void> | void;
}

export const DEV_COMMANDS: readonly DevCommand[] = [
  {
    command: 'node_tick',
    label: 'node_tick now',
    takes: 'source',
    breaks: false,
    said: (source) => `node_tick sent to ${source}`,
    run: (controls, source) => controls.tick(source, 'node_tick'),
  },
  {
    command: 'sync_tick',
    label: 'sync_tick now',
    takes: 'source',
    breaks: false,
    said: (source) => `sync_tick sent to ${source}`,
    run: (controls, source) => controls.tick(source, 'sync_tick'),
  },
  {
    command: 'stop_instance',
    label: 'Stop the instance in the registry',
    takes: 'source',
    breaks: true,
    said: (source) => `the instance of ${source} is STOPPED in the registry`,
    run: (controls, source) => controls.setInstance(source, 'STOPPED'),
  },
  {
    command: 'start_instance',
    label: 'Start the instance in the registry',
    takes: 'source',
    breaks: false,
    said: (source) => `the instance of ${source} is ACTIVE in the registry`,
    run: (controls, source) => controls.setInstance(source, 'ACTIVE'),
  },
  {
    command: 'kill_node',
    label: 'Kill the process',
    takes: 'source',
    breaks: true,
    said: (source) => `the process of ${source} was killed`,
    run: (controls, source) => controls.kill(source),
  },
  {
    command: 'restart_node',
    label: 'Restart the process',
    takes: 'source',
    breaks: true,
    said: (source) => `the process of ${source} was restarted`,
    run: (controls, source) => controls.restart(source),
  },
  {
    command: 'cut_peer',
    label: 'Cut the connection between two nodes',
    takes: 'pair',
    breaks: true,
    said: (source, peer) => `the connection between ${source} and ${peer} is cut`,
    run: (controls, source, peer) => controls.cut(source, peer),
  },
  {
    command: 'heal_peer',
    label: 'Restore the connection between two nodes',
    takes: 'pair',
    breaks: false,
    said: (source, peer) => `the connection between ${source} and ${peer} is restored`,
    run: (controls, source, peer) => controls.heal(source, peer),
  },
  {
    command: 'revoke_version',
    label: 'Revoke the version of all nodes',
    takes: 'nothing',
    breaks: true,
    said: () => 'the version of all nodes is REVOKED',
    run: (controls) => controls.setVersion('REVOKED'),
  },
  {
    command: 'enrol_version',
    label: 'Enrol the version of all nodes',
    takes: 'nothing',
    breaks: false,
    said: () => 'the version of all nodes is ENROLLED',
    run: (controls) => controls.setVersion('ENROLLED'),
  },
  {
    command: 'reset_hash',
    label: 'Reset the hash of the master secret',
    takes: 'nothing',
    breaks: true,
    said: () => 'the hash of the master secret was reset: all keys change',
    run: (controls) => controls.resetHash(),
  },
  {
    command: 'stop_rpc',
    label: 'Stop the RPC',
    takes: 'nothing',
    breaks: true,
    said: () => 'the nodes cannot reach the RPC',
    run: (controls) => controls.setRpc(false),
  },
  {
    command: 'start_rpc',
    label: 'Start the RPC',
    takes: 'nothing',
    breaks: false,
    said: () => 'the nodes can reach the RPC again',
    run: (controls) => controls.setRpc(true),
  },
];
