/** What a test can see of a running node: `/status`, the refusal of a derive request, and log lines. A test can also wait for ticks. */
import { z } from 'zod';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';

const LOOK_EVERY_MS = 50;

const statusBody = z.object({
  node: z.object({ master_secret: z.object({ state: z.string(), synced_from: z.string().nullable() }) }),
  readiness: z.object({
    state: z.string(),
    reason: z.string().nullable(),
    last_tick: z.object({ started_at_ms: z.number(), duration_ms: z.number(), outcome: z.string() }).nullable(),
    next_tick_in_ms: z.number().nullable(),
    ticks: z.object({ run: z.number(), dropped: z.number() }),
    sync_ticks: z.object({ run: z.number() }),
  }),
  first_snapshot: z.string(),
});

export type NodeView = z.infer<typeof statusBody>;

export async function viewOf(node: ClusterNode): Promise<NodeView> {
  return statusBody.parse(await node.status());
}

/** Waits until `holds` accepts the content of `/status`. */
export async function waitForView(node: ClusterNode, what: string, timeoutMs: number, holds: (view: NodeView) => boolean): Promise<NodeView> {
  let seen: NodeView | null = null;
  await waitUntil({ what: `${node.name}: ${what}`, timeoutMs, everyMs: LOOK_EVERY_MS }, async () => {
    if (!node.running) throw new Error(node.describeEnd());
    const status = await node.tryStatus();
    if (status === null) return 'no answer to GET /status';
    seen = statusBody.parse(status);
    const { state, reason, ticks } = seen.readiness;
    return holds(seen) ? null : `it is ${state}, ${reason ?? 'without a reason'}, in tick ${ticks.run}`;
  });
  return seen!;
}

export function waitForReason(node: ClusterNode, reason: string, timeoutMs: number): Promise<NodeView> {
  return waitForView(node, `reason "${reason}"`, timeoutMs, ({ readiness }) => readiness.reason?.startsWith(reason) === true);
}

/** Waits until `count` node_ticks that began after this call have ended. */
export async function waitForTicks(node: ClusterNode, count: number, timeoutMs: number): Promise<NodeView> {
  const before = (await viewOf(node)).readiness.ticks.run;
  return waitForView(node, `${count} more node_ticks`, timeoutMs, ({ readiness }) => {
    const ended = readiness.next_tick_in_ms === null ? readiness.ticks.run - 1 : readiness.ticks.run;
    return ended >= before + count;
  });
}

export async function allReady(nodes: readonly ClusterNode[], timeoutMs: number): Promise<void> {
  await Promise.all(nodes.map((node) => waitForView(node, 'ready', timeoutMs, ({ readiness }) => readiness.state === 'ready')));
}

export interface Refusal {
  readonly status: number;
  readonly code: unknown;
  readonly message: unknown;
  readonly retryAfter: string | null;
}

/** The refusal that a caller of `/kms/derive` gets. */
export async function deriveRefusal(node: ClusterNode): Promise<Refusal> {
  const answer = await fetch(`${node.localUrl}/kms/derive`, { method: 'POST', body: '{}' });
  const { code, message } = (await answer.json()) as { code?: unknown; message?: unknown };
  return { status: answer.status, code, message, retryAfter: answer.headers.get('retry-after') };
}

/** The wallets in `/nodes`. */
export async function listedOperators(node: ClusterNode): Promise<readonly string[]> {
  const answer = await fetch(`${node.localUrl}/nodes`);
  const { operators } = z.object({ operators: z.array(z.object({ operator: z.string() })) }).parse(await answer.json());
  return operators.map(({ operator }) => operator).sort();
}

/** The number of lines that the node has printed so far. `said` takes it as `from`. */
export function endOfLines(node: ClusterNode): number {
  return node.lines().length;
}

/** Parsed log lines of the node with this message, oldest first. @param from a result of `endOfLines` */
export function said(node: ClusterNode, sentence: string, from = 0): readonly Record<string, unknown>[] {
  return node
    .lines()
    .slice(from)
    .filter(({ text }) => text.startsWith('{'))
    .map(({ text }) => JSON.parse(text) as Record<string, unknown>)
    .filter(({ message }) => message === sentence);
}

/** Waits for a log line with this message. */
export async function waitForLine(node: ClusterNode, sentence: string, timeoutMs: number, from = 0): Promise<void> {
  await waitUntil({ what: `${node.name} logging "${sentence}"`, timeoutMs, everyMs: LOOK_EVERY_MS }, async () =>
    said(node, sentence, from).length > 0 ? null : 'it has not logged this line',
  );
}
