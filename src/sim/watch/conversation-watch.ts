/**
 * Checks the answers that one process accepts from its peers. Each answer must belong to an open request, must be accepted only once,
 * and must carry the signature of the peer that was asked (protocol.md §3, §10). A process must ask only current members. This is checked
 * for each request, because the peer of a long comparison may leave the registry between two requests.
 */
import type { Member } from '../../domain/membership.ts';
import type { Life } from '../world/sim-node.ts';
import type { Checks, Report } from './violation.ts';

export interface ConversationWatchModules {
  readonly report: Report;
  readonly checks: Checks;
  /** Whether the instance of a wallet currently sends answers without a valid signature. */
  readonly isUnsigned: (wallet: string) => boolean;
}

const ONLY_MEMBERS = 'a node sends requests only to members';

/** The plaintext of a request ends with its `request_id`. */
const REQUEST = /^\{"type":.*"request_id":"([0-9a-f]{32})"\}$/s;

export class ConversationWatch {
  readonly #life: Life;
  readonly #modules: ConversationWatchModules;
  /** Ids of requests that have no answer yet. */
  readonly #open = new Set<string>();

  constructor(life: Life, modules: ConversationWatchModules) {
    this.#life = life;
    this.#modules = modules;
    this.#listen();
  }

  /** Called before the process sends a message. */
  noteSaying(plaintext: string): void {
    const id = REQUEST.exec(plaintext)?.[1];
    if (id !== undefined) this.#open.add(id);
  }

  /** Whether the node's latest view of the chain has this member, with the same teePubkey. */
  #isMember({ wallet, teePubkey }: Member): boolean {
    const membership = this.#life.node.inside.peerCache.membership();
    return membership?.members.some((member) => member.wallet === wallet && member.teePubkey === teePubkey) === true;
  }

  /** Wraps the conversation's `exchange`. */
  #listen(): void {
    const { checks, report, isUnsigned } = this.#modules;
    const { conversation } = this.#life.node.inside;
    const exchange = conversation.exchange.bind(conversation);
    conversation.exchange = async (member, message, options) => {
      const unsignedBefore = isUnsigned(member.wallet);
      const wasMember = this.#isMember(member);
      const answer = await exchange(member, message, options);
      if (this.#life.instance.everLied) return answer;
      checks.note(ONLY_MEMBERS);
      if (!wasMember) report(ONLY_MEMBERS, `${this.#life.name} sends ${message.type} to an instance that is no longer a member`);
      checks.note('an answer is signed by its peer');
      if (unsignedBefore && isUnsigned(member.wallet)) report('an answer is signed by its peer', `${this.#life.name} accepts an answer to ${message.type} that is not signed by its peer`);
      checks.note('an answer belongs to its request');
      const id = answer['request_id'];
      if (typeof id === 'string' && !this.#open.delete(id)) report('an answer belongs to its request', `${this.#life.name} accepts an answer to ${message.type} that belongs to a different request`);
      return answer;
    };
  }
}
