/** The generations of the platform, as far as what they sign and encrypt differs (protocol.md §3, Envelope; §7). */
import { ENVELOPE_INFO } from './envelope.ts';

/** `capsule`: nova-enclave-capsule, which platforms run today. `enclaver`: the one before it. */
export type Generation = keyof typeof ENVELOPE_INFO;

export const GENERATIONS = ['capsule', 'enclaver'] as const satisfies readonly Generation[];

export const DEFAULT_GENERATION: Generation = 'capsule';

/** The v of a signature is this or one more. */
export function firstV(info: string): 0 | 27 {
  return info === ENVELOPE_INFO.enclaver ? 27 : 0;
}
