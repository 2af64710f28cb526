/** Formats the report on a cluster as lines of text, with or without colours. */
import { styleText } from 'node:util';
import { alignColumns } from '../table.ts';
import { UNREACHABLE, type ClusterReport, type NodeReport, type PeerReport } from './report.ts';

export interface TextOptions {
  readonly colours: boolean;
  /** Maximum length of a line in characters. Longer lines are cut; null: no limit. */
  readonly columns: number | null;
  /** Maximum number of lines. If there are more, the last line says how many were left out; null: no limit. */
  readonly rows: number | null;
}

export function statusLines(report: ClusterReport, { colours, columns, rows }: TextOptions): readonly string[] {
  const states = [...new Set(report.nodes.map(({ state }) => state))];
  const cut = (line: string): string => (columns === null || line.length <= columns ? line : line.slice(0, columns));
  return fit([...headLines(report), '', ...tableLines(report, columns), ...behindLines(report), ...unsureLines(report)].map(cut), rows).map((line) => (colours ? paintState(line, states) : line));
}

function fit(lines: readonly string[], rows: number | null): readonly string[] {
  if (rows === null || lines.length <= rows) return lines;
  const shown = Math.max(0, rows - 1);
  return [...lines.slice(0, shown), `.. ${lines.length - shown} more lines`];
}

/** Colours the state in the line of a node. The state is the second word. */
function paintState(line: string, states: readonly string[]): string {
  const [, head, state, tail] = /^(\S+ +)(\S+)(.*)$/s.exec(line) ?? [];
  if (head === undefined || state === undefined || tail === undefined || !/^https?:/.test(head) || !states.includes(state)) return line;
  const colour = state === 'ready' ? 'green' : state === UNREACHABLE ? 'red' : 'yellow';
  return `${head}${styleText(colour, state, { validateStream: false })}${tail}`;
}

function headLines(report: ClusterReport): string[] {
  const { kms_apps: apps, master_secret_hashes: hashes, nodes_ready: ready, nodes_total: total, nodes_left_out: leftOut } = report;
  const cluster = apps.map(({ app_id: app, kms_registry: registry, nodes }) => `KMS app ${app}, KMSRegistry ${registry}${apps.length > 1 ? ` (${count(nodes, 'node')})` : ''}`);
  return [
    `${timeText(report.taken_at_ms)}  ${ready} of ${count(total, 'node')} ready${leftOut === 0 ? '' : `, ${leftOut} not asked: give a larger --max-nodes`}`,
    ...(apps.length > 1 ? ['DIFFERENT CLUSTERS:'] : []),
    ...cluster,
    ...(hashes.length > 1 ? ['DIFFERENT MASTER SECRETS:'] : []),
    ...hashes.map(({ hash, nodes }) => `master secret hash ${hash} (${count(nodes, 'node')})`),
    ...(hashes.length === 0 ? ['no node reports a confirmed master secret'] : []),
  ];
}

const HEAD = ['node', 'state', 'since', 'next tick', 'members', 'block', 'keys', 'peers behind', 'reason'];

/** Reasons that do not fit next to the nodes are listed below the table. */
function tableLines(report: ClusterReport, columns: number | null): readonly string[] {
  const rows = [HEAD, ...report.nodes.map((node) => cellsOf(node, report.taken_at_ms))];
  const lines = alignColumns(rows);
  if (columns === null || lines.every(({ length }) => length <= columns)) return lines;
  const reasons = report.nodes.flatMap(({ url, reason }) => (reason === null ? [] : [`  ${url}: ${reason}`]));
  return [...alignColumns(rows.map((cells) => cells.slice(0, -1))), ...(reasons.length === 0 ? [] : ['', ...reasons])];
}

function cellsOf(node: NodeReport, nowMs: number): readonly string[] {
  const { url, state, since_ms: since, next_tick_in_ms: next, members, membership_block: block, keys, peers_behind: behind } = node;
  if (state === UNREACHABLE) return [url, state, '-', '-', '-', '-', '-', '-', node.reason ?? ''];
  const lacking = behind.filter(({ records }) => records > 0);
  return [
    url,
    state,
    since === null ? '-' : `${durationText(nowMs - since)} ago`,
    next === null ? (node.last_tick === null ? '-' : 'now') : `in ${durationText(next)}`,
    ...[members, block, keys].map((figure) => (figure === null ? '-' : String(figure))),
    lacking.length === 0 ? '0' : `${lacking.length}: ${amountText(lacking)}`,
    node.reason ?? '',
  ];
}

function amountText(peers: readonly PeerReport[]): string {
  const sum = (read: (peer: PeerReport) => number): number => peers.reduce((total, peer) => total + read(peer), 0);
  return `${count(sum(({ records }) => records), 'record')}, ${bytesText(sum(({ bytes }) => bytes))}`;
}

function behindLines({ nodes }: ClusterReport): string[] {
  const lines = nodes.flatMap(({ url, peers_behind: behind }) => behind.map((peer) => `${url} -> ${peer.url ?? peer.wallet ?? 'a peer'}: ${peerText(peer)}`));
  return lines.length === 0 ? [] : ['', 'Peers that lack writes of a node, or do not answer it:', ...lines.map((line) => `  ${line}`)];
}

/** Lists the ready nodes that are not sure. Other nodes are left out, because the table already shows a reason for each of them. */
function unsureLines({ nodes }: ClusterReport): string[] {
  const lines = nodes
    .filter(({ state, sure }) => state === 'ready' && sure === false)
    .map(({ url, waits_for: waitsFor }) => `${url}${waitsFor.length === 0 ? '' : ` waits for ${waitsFor.join(', ')}`}`);
  return lines.length === 0 ? [] : ['', 'Nodes that cannot yet say that a key is absent:', ...lines.map((line) => `  ${line}`)];
}

function peerText(peer: PeerReport): string {
  return `${amountText([peer])}${peer.error === null ? '' : `; ${peer.error}`}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** UTC time, to the second. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A rounded duration. Clocks may differ, so a negative duration is shown as 0. */
export function durationText(ms: number): string {
  const at = Math.max(0, ms);
  if (at < 2 * MINUTE_MS) return `${Math.round(at / SECOND_MS)} s`;
  if (at < 2 * HOUR_MS) return `${Math.floor(at / MINUTE_MS)} min`;
  if (at < 2 * DAY_MS) return `${Math.floor(at / HOUR_MS)} h`;
  return `${Math.floor(at / DAY_MS)} d`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 1_024 ** 2) return `${(bytes / 1_024).toFixed(1)} KiB`;
  return `${(bytes / 1_024 ** 2).toFixed(1)} MiB`;
}
