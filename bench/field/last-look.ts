/**
 * The last look of a field run checks that every node has all acknowledged writes. If several nodes have equal stores, only one of them is
 * read, key by key and by several readers. The equal digests prove the same for the other nodes. A read that gets no answer, or an older
 * state than the acknowledged one, is repeated after a pause, in at most `PASSES` passes and within the time limit. Unanswered reads are
 * counted, but not reported as lost writes, because a node that is not sure answers 503 for absent keys (protocol.md §10, 404 means absent).
 */
import type { Ledger, Verdict } from './ledger.ts';

/**
 * Number of times the digests are compared before nodes with different stores are read separately, and the pause between two comparisons.
 */
const ROOT_LOOKS = 4;
const ROOT_PAUSE_MS = 10_000;
/** Minimum pause between two passes over the remaining keys. Milliseconds. */
const PASS_PAUSE_MS = 5_000;
/** Maximum number of passes over one node. */
export const PASSES = 6;
const PROGRESS_MS = 10_000;

/** A read without an answer. */
export class NotAnswered extends Error {
  /** How long the node asked the caller to wait; 0 if the node named no time. Milliseconds. */
  readonly retryAfterMs: number;

  /** @param what the status or the failure; the same cause must always be given the same text, because unanswered reads are counted by this text */
  constructor(what: string, retryAfterMs = 0, options: ErrorOptions = {}) {
    super(what, options);
    this.retryAfterMs = retryAfterMs;
  }
}

export interface LookedAtNode {
  readonly name: string;
  /** The digest of the node's store; null when the node does not return it. */
  root(): Promise<string | null>;
  /** @returns null when the key is absent @throws NotAnswered */
  read(app: string, key: string): Promise<string | null>;
}

export interface LookedAtApp {
  readonly name: string;
  readonly ledger: Pick<Ledger, 'keys' | 'judge'>;
}

export interface LastLookOptions {
  /** After this time, the remaining keys are counted with their last result. Milliseconds. */
  readonly limitMs: number;
  /** Number of reads under way at one node. */
  readonly readers: number;
  /** If a node was killed within this time after it alone acknowledged a write, the loss of the write is not an error. Milliseconds. */
  readonly deathWindowMs: number;
}

export interface LastLookModules {
  readonly nodes: readonly LookedAtNode[];
  readonly apps: readonly LookedAtApp[];
  /** Monotonic milliseconds, on the same clock as the ledgers. */
  readonly nowMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly say: (line: string) => void;
}

export interface LastLookResult {
  /** Number of pairs of a key and a node to check. */
  readonly due: number;
  readonly read: number;
  readonly byEqualStore: number;
  /** Keys that show an older state than the acknowledged one, one line each. */
  readonly lost: readonly string[];
  /** Values that were never written, one line each. */
  readonly foreign: readonly string[];
  /** The reasons why pairs of a key and a node could not be checked, each with its count. */
  readonly unchecked: ReadonlyMap<string, number>;
  /** Number of keys for which no node returned an answer. */
  readonly nowhereChecked: number;
}

const NOT_REACHED = 'not reached within the time limit';

interface Item {
  readonly app: LookedAtApp;
  readonly key: string;
  last: { readonly verdict: Verdict } | { readonly why: string };
}

interface NodeCourse {
  readonly node: LookedAtNode;
  readonly items: readonly Item[];
  /** The node that was read instead, because its store is equal; null when this node itself is read. */
  likeNode: NodeCourse | null;
}

export class LastLook {
  readonly #options: LastLookOptions;
  readonly #modules: LastLookModules;
  readonly #courses: readonly NodeCourse[];
  readonly #endsAtMs: number;
  #saidMs: number;

  /** The time limit begins with this call. */
  constructor(options: LastLookOptions, modules: LastLookModules) {
    this.#options = options;
    this.#modules = modules;
    const keys = modules.apps.flatMap((app) => app.ledger.keys().map((key) => ({ app, key })));
    this.#courses = modules.nodes.map((node) => ({ node, items: keys.map((each) => ({ ...each, last: { why: NOT_REACHED } })), likeNode: null }));
    this.#saidMs = modules.nowMs();
    this.#endsAtMs = this.#saidMs + options.limitMs;
  }

  async run(): Promise<void> {
    const before = await this.#rootsWhenEqual();
    const firstOf = new Map<string, NodeCourse>();
    for (const course of this.#courses) {
      const root = before.get(course) ?? null;
      if (root !== null && !firstOf.has(root)) firstOf.set(root, course);
    }
    const like = (course: NodeCourse): NodeCourse | null => {
      const first = firstOf.get(before.get(course) ?? '') ?? null;
      return first === course ? null : first;
    };
    await Promise.all(this.#courses.filter((course) => like(course) === null).map((course) => this.#read(course)));
    const after = await this.#roots();
    const others: NodeCourse[] = [];
    for (const course of this.#courses) {
      const first = like(course);
      if (first === null) continue;
      const root = before.get(course);
      if (after.get(course) === root && after.get(first) === root) course.likeNode = first;
      else others.push(course);
    }
    await Promise.all(others.map((course) => this.#read(course)));
  }

  /** The results so far. */
  result(): LastLookResult {
    const lost: string[] = [];
    const foreign: string[] = [];
    const unchecked = new Map<string, number>();
    const answered = new Set<string>();
    let due = 0;
    let read = 0;
    let byEqualStore = 0;
    for (const { node, items, likeNode } of this.#courses) {
      for (const [place, { app, key, last }] of items.entries()) {
        due += 1;
        const judged = likeNode === null ? last : likeNode.items[place]!.last;
        if ('why' in judged) {
          unchecked.set(judged.why, (unchecked.get(judged.why) ?? 0) + 1);
          continue;
        }
        answered.add(`${app.name} ${key}`);
        if (likeNode === null) read += 1;
        else byEqualStore += 1;
        if (judged.verdict !== 'right') (judged.verdict === 'foreign' ? foreign : lost).push(`${app.name}: ${key} (${judged.verdict}) on ${node.name}`);
      }
    }
    const keys = this.#courses[0]?.items.length ?? 0;
    return { due, read, byEqualStore, lost, foreign, unchecked, nowhereChecked: keys - answered.size };
  }

  async #roots(): Promise<ReadonlyMap<NodeCourse, string | null>> {
    return new Map(await Promise.all(this.#courses.map(async (course) => [course, await course.node.root()] as const)));
  }

  /** Returns the digests when all are equal, after `ROOT_LOOKS` comparisons, when a node returns none, or when too little time is left. */
  async #rootsWhenEqual(): Promise<ReadonlyMap<NodeCourse, string | null>> {
    for (let look = 1; ; look += 1) {
      const roots = await this.#roots();
      const different = new Set(roots.values());
      if (different.has(null) || different.size === 1 || look === ROOT_LOOKS || this.#leftMs() <= ROOT_PAUSE_MS) {
        this.#modules.say(`last look: ${different.has(null) ? 'not all nodes report the digest of their store' : `${roots.size} nodes were compared; number of different stores: ${different.size}`}`);
        return roots;
      }
      await this.#modules.wait(ROOT_PAUSE_MS);
    }
  }

  async #read(course: NodeCourse): Promise<void> {
    let left = course.items;
    for (let pass = 1; left.length > 0 && this.#leftMs() > 0; pass += 1) {
      const retryAfterMs = await this.#pass(course.node, left);
      left = left.filter(({ last }) => !('verdict' in last) || last.verdict !== 'right');
      const pauseMs = Math.max(PASS_PAUSE_MS, retryAfterMs);
      if (left.length === 0 || pass === PASSES || pauseMs >= this.#leftMs()) return;
      this.#modules.say(`last look: reading ${left.length} keys on ${course.node.name} again, because of: ${summaryOf(left)}`);
      await this.#modules.wait(pauseMs);
    }
  }

  /** @returns the longest wait that the node asked for, in milliseconds */
  async #pass(node: LookedAtNode, items: readonly Item[]): Promise<number> {
    const { nowMs } = this.#modules;
    const left = items.values();
    let retryAfterMs = 0;
    const reader = async (): Promise<void> => {
      for (const item of left) {
        if (this.#leftMs() <= 0) return;
        try {
          const seen = await node.read(item.app.name, item.key);
          item.last = { verdict: item.app.ledger.judge(item.key, seen, nowMs(), this.#options.deathWindowMs) };
        } catch (error) {
          if (!(error instanceof NotAnswered)) throw error;
          retryAfterMs = Math.max(retryAfterMs, error.retryAfterMs);
          item.last = { why: error.message };
        }
        this.#sayProgress();
      }
    };
    await Promise.all(Array.from({ length: this.#options.readers }, reader));
    return retryAfterMs;
  }

  #sayProgress(): void {
    const nowMs = this.#modules.nowMs();
    if (nowMs - this.#saidMs < PROGRESS_MS) return;
    this.#saidMs = nowMs;
    const { due, read, unchecked } = this.result();
    const refused = [...unchecked].filter(([why]) => why !== NOT_REACHED).reduce((sum, [, count]) => sum + count, 0);
    this.#modules.say(`last look: ${read} of ${due} reads are done, ${refused} have not been answered yet`);
  }

  #leftMs(): number {
    return this.#endsAtMs - this.#modules.nowMs();
  }
}

function summaryOf(items: readonly Item[]): string {
  const counts = new Map<string, number>();
  for (const { last } of items) {
    const what = 'why' in last ? last.why : last.verdict;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} x ${what}`).join(', ');
}
