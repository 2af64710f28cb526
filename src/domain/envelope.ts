/** Reads and writes the wire form of an envelope (protocol.md §3). The enclave encrypts and decrypts its content. */
import { isHex, lowerHex, type HexBytes } from './hex.ts';
import { parseTeePubkey, type TeePubkey } from './ids.ts';
import type { SealedText } from './ports.ts';

export interface WireEnvelope {
  readonly sender_tee_pubkey: string;
  readonly nonce: string;
  readonly encrypted_data: string;
}

/** A long sealed text as the enclave API sent it. Its hex becomes a string only if someone reads `encryptedData`. */
export class SealedBytes implements SealedText {
  readonly senderPubkey: TeePubkey;
  readonly nonce: string;
  readonly hex: HexBytes;

  constructor(senderPubkey: TeePubkey, nonce: string, hex: HexBytes) {
    this.senderPubkey = senderPubkey;
    this.nonce = nonce;
    this.hex = hex;
  }

  get encryptedData(): string {
    return String(this.hex);
  }
}

/** Size of the AES-GCM tag. */
const TAG_BYTES = 16;
/** A legacy sender's nonce has 32 bytes; the enclave API uses its first 12. */
const NONCE_BYTES: readonly number[] = [12, 32];

function bareHex(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const bare = value.startsWith('0x') ? value.slice(2) : value;
  return isHex(bare) ? lowerHex(bare) : null;
}

/** Reads a parsed JSON body as an envelope; `null` if it is not an envelope. Fields that an envelope does not have are ignored. */
export function parseEnvelope(body: unknown): SealedText | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  const fields = body as Partial<Record<keyof WireEnvelope, unknown>>;
  const senderPubkey = typeof fields.sender_tee_pubkey === 'string' ? parseTeePubkey(fields.sender_tee_pubkey) : null;
  const nonce = bareHex(fields.nonce);
  const encryptedData = bareHex(fields.encrypted_data);
  if (senderPubkey === null || nonce === null || encryptedData === null) return null;
  if (!NONCE_BYTES.includes(nonce.length / 2) || encryptedData.length / 2 < TAG_BYTES) return null;
  return { senderPubkey, nonce, encryptedData };
}

export function toWireEnvelope(sealed: SealedText): WireEnvelope {
  return { sender_tee_pubkey: sealed.senderPubkey, nonce: sealed.nonce, encrypted_data: sealed.encryptedData };
}

/** The JSON of `toWireEnvelope`. Hex needs no escaping, but a general serializer would search megabytes for characters to escape. */
export function envelopeJson({ senderPubkey, nonce, encryptedData }: SealedText): string {
  return `{"sender_tee_pubkey":"${senderPubkey}","nonce":"${nonce}","encrypted_data":"${encryptedData}"}`;
}

/** The bytes of `envelopeJson` in pieces, without the copy that joining strings of megabytes would need. */
export function envelopePieces(sealed: SealedText): readonly Buffer[] {
  const { senderPubkey, nonce } = sealed;
  const json = envelopeJson({ senderPubkey, nonce, encryptedData: '' });
  if (!(sealed instanceof SealedBytes)) return [jsonEndingWithHex(json, sealed.encryptedData)];
  return [Buffer.from(json.slice(0, -'"}'.length)), sealed.hex.digits, Buffer.from('"}')];
}

/** The bytes of a JSON object whose last field is hex. @param json the object with an empty string in that field; ASCII */
export function jsonEndingWithHex(json: string, hex: string): Buffer {
  const at = json.length - '"}'.length;
  const bytes = Buffer.allocUnsafeSlow(json.length + hex.length);
  bytes.write(json, 0, 'latin1');
  bytes.write(hex, at, 'latin1');
  bytes.write('"}', at + hex.length, 'latin1');
  return bytes;
}

/** Whether the key in an envelope is the registered one; both are lower-case hex here. */
export function isRegisteredSender(sealed: SealedText, registered: TeePubkey | ''): boolean {
  return registered !== '' && sealed.senderPubkey === registered;
}
