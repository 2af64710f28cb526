/** Rules that are looked at already and that the product does not keep yet: what breaks one of them ends no run. It must become empty. */
export const AWAITED: ReadonlySet<string> = new Set([
  'a node that is not sure says 404 to nobody',
  'who proves itself is served while others flood',
  'who is no member any more gets the secret from nobody for long',
  'who is ready stays ready while all is well',
]);
