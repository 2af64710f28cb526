/** Records everything that XState's inspector shows of a machine. A visualiser or any other inspector would get the same. */
import { inspect } from 'node:util';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import type { Output } from './secret-search.ts';

/** Depth of printed objects. It is enough to print the input and the output of a child actor inside an event of its parent. */
const DEPTH = 6;
/**
 * Fields of an event that are left out: actors, of which only the id is shown; snapshots, which are recorded separately; and parts of the
 * chart, which is the same for every node.
 */
const NOT_SHOWN = ['actorRef', 'sourceRef', 'snapshot', '_transitions'];

export class InspectorRecord {
  readonly #source: string;
  /** A set, because the inspector shows the same text many times. */
  readonly #texts = new Set<string>();
  readonly types = new Set<string>();

  constructor(source: string) {
    this.#source = source;
  }

  /** Listens to the actor and its children. Call it before the actor starts. */
  attach(actor: AnyActorRef): void {
    actor.system.inspect((event: InspectionEvent) => {
      // An inspector that throws would end the machine.
      try {
        this.#note(event);
      } catch (error) {
        this.#texts.add(`the inspector failed: ${(error as Error).name}`);
      }
    });
  }

  outputs(): readonly Output[] {
    return [...this.#texts].map((text) => ({ source: this.#source, text }));
  }

  get failed(): boolean {
    return [...this.#texts].some((text) => text.startsWith('the inspector failed'));
  }

  #note(event: InspectionEvent): void {
    this.types.add(event.type);
    const { id } = event.actorRef as AnyActorRef;
    const shown = Object.entries(event).filter(([name]) => !NOT_SHOWN.includes(name));
    this.#show({ id, ...Object.fromEntries(shown) });
    if (event.type === '@xstate.actor') return;
    // A snapshot contains the child actors with their inputs and outputs.
    const persisted = (event.actorRef as AnyActorRef).getPersistedSnapshot();
    this.#show(persisted);
    this.#texts.add(JSON.stringify(persisted));
    if ('snapshot' in event) this.#texts.add(JSON.stringify(event.snapshot));
  }

  #show(value: unknown): void {
    this.#texts.add(inspect(value, { depth: DEPTH, maxArrayLength: null, maxStringLength: null, breakLength: Infinity }));
  }
}
