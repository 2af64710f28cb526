/** Rules that are looked at already and that the product does not keep yet: what breaks one of them ends no run. It must become empty. */
export const AWAITED: ReadonlySet<string> = new Set([
  "an RPC's Retry-After is obeyed",
  'a claim offers no more than its cap',
  'a claim that was refused for its price comes again with more',
  'a node that is not sure says 404 to nobody',
  'who proves itself is served while others flood',
  'memory held is within the counted bound',
  'a view of the chain never goes back',
  'what cannot be read empties no membership',
  'who is no member any more gets the secret from nobody for long',
]);
