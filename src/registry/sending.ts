/** Decides from an error message why the RPC did not accept a raw transaction. The patterns match common Ethereum nodes. Pure. */

export type Sending = 'taken' | 'known' | 'underpriced' | 'nonce_used' | 'no_funds' | 'refused';

/** The order matters: one message may match several patterns. */
const WORDS: readonly (readonly [Sending, RegExp])[] = [
  ['known', /already ?known|already imported|known transaction|already exists|alreadyexists/],
  ['nonce_used', /nonce (?:is )?too low|noncetoolow|already been used|oldnonce/],
  ['no_funds', /insufficient ?funds|enough funds|exceeds (?:the |account )?balance|insufficient balance/],
  ['underpriced', /replacement|underpriced|gas ?price|fee.{0,60}(?:low|less|below)|could not replace/],
];

/** @param said the RPC's message; it may be missing */
export function judgeSending(said: unknown): Exclude<Sending, 'taken'> {
  const text = typeof said === 'string' ? said.toLowerCase() : '';
  return (WORDS.find(([, words]) => words.test(text))?.[0] ?? 'refused') as Exclude<Sending, 'taken'>;
}
