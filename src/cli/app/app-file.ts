/**
 * The identity file of an app: the app's keys, and the location of its cluster. Developers write this file; the development cluster writes
 * one for its app. A node accepts an envelope only from the P-384 key that is registered for the app's wallet, so the file contains both
 * keys.
 */
import { z } from 'zod';

const hexKey = (bytes: number) => z.string().regex(new RegExp(`^(?:0x)?[0-9a-fA-F]{${2 * bytes}}$`));

const appFile = z.strictObject({
  /** The secp256k1 key of the app's wallet, in hex. */
  privateKey: hexKey(32),
  /** The P-384 private scalar that belongs to the app's registered teePubkey, in hex. */
  teeScalar: hexKey(48).optional(),
  envelope: z.enum(['enclaver', 'capsule']).optional(),
  /** JSON-RPC URL of the chain. */
  chain: z.string().optional(),
  /** Address of NovaAppRegistry. */
  registry: z.string().optional(),
  kmsAppId: z.number().int().positive().optional(),
  inEnclave: z.boolean().optional(),
  confirmations: z.number().int().min(0).optional(),
});

export type AppFile = z.infer<typeof appFile>;

/**
 * Parses an app file. If a file contains only 64 hex digits, they are read as a private key.
 * @returns null when the file is invalid. No reason is returned, because a reason could quote a key.
 */
export function parseAppFile(text: string): AppFile | null {
  const trimmed = text.trim();
  if (/^(?:0x)?[0-9a-fA-F]{64}$/.test(trimmed)) return { privateKey: trimmed };
  try {
    return appFile.parse(JSON.parse(trimmed));
  } catch {
    return null;
  }
}
