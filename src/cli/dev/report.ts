/** The output of `npm start`: text for people, or JSON lines for programs. It contains no secrets. */
import { styleText } from 'node:util';
import type { ReadinessState } from '../../domain/readiness.ts';
import { alignColumns } from '../table.ts';

/** The events that the output may contain. With --json, each is one line of JSON with these field names. */
export type DevEvent =
  | { readonly event: 'step'; readonly step: string }
  | {
      readonly event: 'state';
      readonly node: string;
      readonly state: ReadinessState;
      /** Null when ready. */
      readonly reason: string | null;
      /** Time since the node's process was started. */
      readonly since_start_ms: number;
      /** Time since the node's last change of state or reason. */
      readonly since_change_ms: number;
    }
  | { readonly event: 'ended'; readonly node: string; readonly how: string }
  | {
      readonly event: 'cluster';
      readonly chain_url: string;
      readonly nova_app_registry: string;
      readonly kms_registry: string;
      readonly kms_app_id: number;
    }
  /** The URL of the page that shows the cluster. */
  | { readonly event: 'visualizer'; readonly url: string }
  | {
      readonly event: 'table';
      /** Time since the command was started. */
      readonly after_ms: number;
      /** true: all nodes derived the same key, in answers that their wallets signed. */
      readonly equal: boolean;
      readonly rows: readonly TableRow[];
    }
  | {
      readonly event: 'running';
      /** URL of one node. */
      readonly status_url: string;
      /** The file with the keys of the cluster's app; null: it could not be written. */
      readonly identity_file: string | null;
    }
  | { readonly event: 'stopping' }
  /** All processes have ended. */
  | { readonly event: 'stopped' };

export interface TableRow {
  readonly node: string;
  readonly url: string;
  readonly state: string;
  readonly wallet: string;
  /** The first 8 bytes of the SHA-256 of the key, in hex. */
  readonly fingerprint: string;
  /** Duration of the derive request. */
  readonly derive_ms: number;
  /** First node: duration of the write. Any other node: time from the first node's answer until this node showed the record. */
  readonly write_ms: number;
  /** The same times for the deletion. */
  readonly delete_ms: number;
}

export type Report = (event: DevEvent) => void;

export interface Output {
  readonly write: (text: string) => unknown;
  /** Whether the terminal supports colours. */
  readonly colours: boolean;
}

export function jsonReport({ write }: Output): Report {
  return (event) => write(`${JSON.stringify(event)}\n`);
}

export function textReport({ write, colours }: Output): Report {
  return (event) => write(`${textOf(event, colours)}\n`);
}

const STATE_WIDTH = 'syncing-secret'.length;
const NODE_WIDTH = 'node-16'.length;

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`.padStart(7);
}

function paint(state: string, text: string, colours: boolean): string {
  // The caller decides about colours, so `styleText` must not check the stream.
  return colours ? styleText(state === 'ready' ? 'green' : 'yellow', text, { validateStream: false }) : text;
}

function textOf(event: DevEvent, colours: boolean): string {
  switch (event.event) {
    case 'step':
      return `${event.step} ...`;
    case 'state': {
      const state = paint(event.state, event.state.padEnd(STATE_WIDTH), colours);
      const times = `${seconds(event.since_start_ms)} (+${seconds(event.since_change_ms).trim()})`.padEnd(18);
      return `${event.node.padEnd(NODE_WIDTH)} ${times}  ${state}  ${event.reason ?? ''}`.trimEnd();
    }
    case 'ended':
      return event.how;
    case 'cluster':
      return [
        `Chain            ${event.chain_url}`,
        `NovaAppRegistry  ${event.nova_app_registry}`,
        `KMSRegistry      ${event.kms_registry}  (KMS app ${event.kms_app_id})`,
      ].join('\n');
    case 'visualizer':
      return `Watch: ${event.url}`;
    case 'table':
      return tableText(event.rows, event.after_ms, event.equal, colours);
    case 'running':
      return [
        'The cluster runs until Ctrl-C. In another terminal:',
        `  npx nova-kms status --watch ${event.status_url}`,
        ...(event.identity_file === null
          ? []
          : ['put greeting hello', 'derive sessions'].map((words) => `  npx nova-kms ${words} --identity ${event.identity_file}`)),
      ].join('\n');
    case 'stopping':
      return 'Stopping ...';
    case 'stopped':
      return 'Stopped.';
  }
}

function tableText(rows: readonly TableRow[], afterMs: number, equal: boolean, colours: boolean): string {
  const [head, ...lines] = alignColumns([
    ['node', 'url', 'state', 'wallet', 'key fingerprint', 'derive ms', 'write ms', 'delete ms'],
    ...rows.map(({ node, url, state, wallet, fingerprint, derive_ms: derive, write_ms: write, delete_ms: deletion }) => [
      ...[node, url, state, wallet, fingerprint],
      ...[derive, write, deletion].map(String),
    ]),
  ]);
  const painted = lines.map((line, index) => {
    const { state } = rows[index]!;
    return line.replace(` ${state} `, ` ${paint(state, state, colours)} `);
  });
  const verdict = equal
    ? 'The answers are signed by their nodes, the keys are equal, and a record written on node-1 was seen, then deleted, on every node'
    : 'The keys are NOT equal';
  return ['', head, ...painted, '', `${verdict} (${seconds(afterMs).trim()}).`].join('\n');
}
