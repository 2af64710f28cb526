/**
 * Checks that an answer belongs to its request (protocol.md §10, Bound to the request). A party that terminates TLS in front of a node
 * could swap two of the node's answers, or add a prefix to a request that lists keys. So a node that runs this implementation repeats,
 * inside the envelope of its answer, the nonce of the request and the bounds of the listing as the node understood them.
 */

/** The bounds that a listing asks for. */
export interface ListingBounds {
  readonly prefix?: string;
  readonly after?: string;
  readonly limit?: number;
}

export interface AskedFor {
  /** The request's `x-app-nonce`. */
  readonly nonce: string;
  readonly listing?: ListingBounds | undefined;
}

/** `unbound`: the answer contains no nonce, because the node is too old to send one. `foreign`: it belongs to another request. */
export type Bond = 'bound' | 'unbound' | 'foreign';

/** @param inner the JSON inside the envelope */
export function bondOf(inner: unknown, { nonce, listing }: AskedFor): Bond {
  if (typeof inner !== 'object' || inner === null) return 'foreign';
  const said = inner as Readonly<Record<string, unknown>>;
  if (said['nonce'] === undefined) return 'unbound';
  const isOurs = said['nonce'] === nonce && (listing === undefined || repeats(said, listing));
  return isOurs ? 'bound' : 'foreign';
}

function repeats(said: Readonly<Record<string, unknown>>, { prefix, after, limit }: ListingBounds): boolean {
  // An empty string sets no bound, so it is treated as absent.
  return isSame(said['prefix'], prefix) && isSame(said['after'], after) && isSame(said['limit'], limit);
}

function isSame(said: unknown, asked: string | number | undefined): boolean {
  const none = (value: unknown): boolean => value === undefined || value === null || value === '';
  return none(asked) ? none(said) : said === asked;
}
