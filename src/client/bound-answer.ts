/**
 * Is this the answer to this request (protocol.md §10, Bound to the request)? A party that ends TLS in front of a node could swap two
 * answers of it, or add a prefix to a listing on the way. A node of our kind repeats the request's nonce inside the envelope,
 * and what it understood of a listing.
 */

/** What a listing asks for. */
export interface ListingBounds {
  readonly prefix?: string;
  readonly after?: string;
  readonly limit?: number;
}

export interface AskedFor {
  /** Of the request: `x-app-nonce`. */
  readonly nonce: string;
  readonly listing?: ListingBounds | undefined;
}

/** `unbound`: it does not say; older nodes' answers never do. `foreign`: it is the answer to another request. */
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
  // An empty text bounds nothing: it counts as none.
  return isSame(said['prefix'], prefix) && isSame(said['after'], after) && isSame(said['limit'], limit);
}

function isSame(said: unknown, asked: string | number | undefined): boolean {
  const none = (value: unknown): boolean => value === undefined || value === null || value === '';
  return none(asked) ? none(said) : said === asked;
}
