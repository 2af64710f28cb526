/** The kinds of lies that members tell. */
export const LIE_KINDS = [
  'liar: wrong secret',
  'liar: garbage seal',
  'liar: replayed answer',
  'liar: cross-wired answer',
  'liar: endless snapshot',
  'liar: poisoned snapshot',
  'liar: huge answer',
  'liar: poisoned delta',
  'liar: future times',
  "liar: others' counts",
  'liar: foreign envelope',
  'liar: unsigned answer',
  'liar: false digests',
  'liar: false acknowledgement',
  'liar: silence',
  'liar: empty snapshot',
  'liar: grown clocks',
  'liar: invented apps',
  'liar: long keys',
  'liar: revoked and asking',
] as const;

export type LieKind = (typeof LIE_KINDS)[number];
