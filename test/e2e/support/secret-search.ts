/**
 * Searches all output of a node for secrets (protocol.md §2: no secret in any answer; no key, token or plaintext in a log line). It
 * searches for a secret as hex, base64 (both alphabets, any alignment), decimal bytes and raw bytes. In the encoded forms, any 15
 * consecutive bytes are enough, so that a truncated secret is found too.
 */

export interface Secret {
  /** A name for the report; never the secret itself. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The number of leading bytes that can be guessed, such as a count. The search ignores these bytes. Default: 0. */
  readonly guessable?: number;
}

export interface Output {
  /** The origin of the text, such as `node-1 stderr`. */
  readonly source: string;
  readonly text: string;
}

export type SecretForm = 'hex' | 'base64' | 'decimal bytes' | 'raw bytes';

export interface Finding {
  readonly secret: string;
  readonly form: SecretForm;
  readonly source: string;
}

/**
 * An encoded secret is searched for in pieces of this size. A single piece proves a leak, because random text does not contain one by
 * chance. Bytes.
 */
const PIECE_BYTES = 8;
/** Minimum length of a secret. A shorter secret could occur in any text by chance. Bytes. */
const MIN_SECRET_BYTES = 16;
/** A secret is searched for as UTF-8 text only if that text has at least this many readable characters. */
const MIN_READABLE_CHARS = 8;

export class SecretLeakError extends Error {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const lines = findings.map(({ secret, form, source }) => `${secret} as ${form} in ${source}`);
    super(`secrets were shown:\n${lines.join('\n')}`);
    this.name = 'SecretLeakError';
    this.findings = findings;
  }
}

/** @throws SecretLeakError that names the secret and the place, without showing the secret */
export function assertNoSecrets(secrets: readonly Secret[], outputs: readonly Output[]): void {
  const findings = findSecrets(secrets, outputs);
  if (findings.length > 0) throw new SecretLeakError(findings);
}

/** @returns one finding for each combination of a secret, a form and a source */
export function findSecrets(secrets: readonly Secret[], outputs: readonly Output[]): readonly Finding[] {
  const forms = FORMS.map((form) => ({ form, index: indexOf(secrets, form) }));
  return [...bySource(outputs)].flatMap(([source, text]) => {
    const encoded = forms.flatMap(({ form, index }) =>
      [...namesIn(form.normalized(text), form.length, index)].map((secret) => ({ secret, form: form.name, source })),
    );
    const raw = secrets.filter(({ bytes }) => rawSpellings(Buffer.from(bytes)).some((spelling) => text.includes(spelling)));
    return [...encoded, ...raw.map(({ name }) => ({ secret: name, form: 'raw bytes' as const, source }))];
  });
}

/** Joins the lines of a source, because an array may be printed on several lines. */
function bySource(outputs: readonly Output[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string[]>();
  for (const { source, text } of outputs) {
    const known = texts.get(source);
    if (known === undefined) texts.set(source, [text]);
    else known.push(text);
  }
  return new Map([...texts].map(([source, parts]) => [source, parts.join('\n')]));
}

interface EncodedForm {
  readonly name: SecretForm;
  /** Rewrites a text in the spelling of this form, such as hex in lower case without separators. */
  readonly normalized: (text: string) => string;
  readonly spellings: (piece: Buffer) => readonly string[];
  /** The length of each string that `spellings` returns. Characters. */
  readonly length: number;
}

const FORMS: readonly EncodedForm[] = [
  {
    name: 'hex',
    // Also handles `0x01, 0x02`, `01:02` and `<Buffer 01 02>`.
    normalized: (text) => text.toLowerCase().replace(/0x|[^0-9a-z]/g, ''),
    spellings: (piece) => [piece.toString('hex')],
    length: 2 * PIECE_BYTES,
  },
  {
    name: 'base64',
    normalized: (text) => text.replace(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/'),
    spellings: base64Spellings,
    length: Math.floor((8 * PIECE_BYTES) / 6),
  },
  {
    name: 'decimal bytes',
    // Also handles `{"0":1,"1":2}`, whose names are not bytes. Each number is converted to one character.
    normalized: (text) => (text.replace(/["']?\b\d+["']?\s*:/g, '').match(/\d+/g) ?? []).map(byteChar).join(''),
    spellings: (piece) => [piece.toString('latin1')],
    length: PIECE_BYTES,
  },
];

function byteChar(digits: string): string {
  return String.fromCharCode(digits.length <= 3 ? Number(digits) : 0xffff);
}

/** Maps each spelling of a piece to the names of the secrets that contain that piece. */
function indexOf(secrets: readonly Secret[], form: EncodedForm): ReadonlyMap<string, ReadonlySet<string>> {
  const index = new Map<string, Set<string>>();
  for (const { name, bytes, guessable = 0 } of secrets) {
    if (bytes.length < MIN_SECRET_BYTES) throw new RangeError(`${name} is too short to search for`);
    for (const spelling of piecesOf(Buffer.from(bytes.subarray(guessable))).flatMap((piece) => form.spellings(piece))) {
      const names = index.get(spelling);
      if (names === undefined) index.set(spelling, new Set([name]));
      else names.add(name);
    }
  }
  return index;
}

/** The names of the secrets that have at least one spelling in the text. */
function namesIn(text: string, length: number, index: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const found = new Set<string>();
  for (let at = 0; at + length <= text.length; at += 1) {
    for (const name of index.get(text.slice(at, at + length)) ?? []) found.add(name);
  }
  return found;
}

/** Cuts the secret into consecutive pieces. The last piece ends where the secret ends, so it may overlap the piece before it. */
function piecesOf(bytes: Buffer): readonly Buffer[] {
  const starts = Array.from({ length: Math.floor(bytes.length / PIECE_BYTES) }, (_, index) => index * PIECE_BYTES);
  return [...new Set([...starts, bytes.length - PIECE_BYTES])].map((start) => bytes.subarray(start, start + PIECE_BYTES));
}

/** For each of the three alignments of the piece: the part of its base64 that does not depend on the bytes around the piece. */
function base64Spellings(piece: Buffer): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), piece]).toString('base64');
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + piece.length) * 8) / 6));
  });
}

/** The bytes as Latin-1 and as UTF-8, each plain and escaped as in a JSON string. */
function rawSpellings(bytes: Buffer): readonly string[] {
  const readable = (text: string): boolean => text.replaceAll('\u{fffd}', '').length >= MIN_READABLE_CHARS;
  return [bytes.toString('latin1'), bytes.toString('utf8')]
    .filter(readable)
    .flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]);
}
