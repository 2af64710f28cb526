/** The platform's generations, which differ in how they sign and encrypt (protocol.md §3, Envelope; §7). */
import { ENVELOPE_INFO } from './envelope.ts';

/** `capsule`: nova-enclave-capsule, which is in use today. `enclaver`: its predecessor. */
export type Generation = keyof typeof ENVELOPE_INFO;

export const GENERATIONS = ['capsule', 'enclaver'] as const satisfies readonly Generation[];

export const DEFAULT_GENERATION: Generation = 'capsule';

/** The lower of the two values that v may have in a signature. */
export function firstV(info: string): 0 | 27 {
  return info === ENVELOPE_INFO.enclaver ? 27 : 0;
}
