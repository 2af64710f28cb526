/**
 * JSON in the form that it has inside a JSON string. The enclave API takes a plaintext as a JSON string, so the JSON of an inner answer is
 * quoted a second time. For a list of 50,000 keys, this took longer than everything else that the node did. So the store keeps the keys in
 * this form, and a long plaintext is sent in pieces, without a copy.
 */

/** A part of some JSON, quoted. It is never modified, so that it can be kept and sent at the same time. */
export interface QuotedPiece {
  /** UTF-8. */
  readonly quoted: Buffer;
  /** Size of the part before it was quoted. Bytes of UTF-8. */
  readonly plainBytes: number;
}

export function quotePiece(json: string): QuotedPiece {
  const text = JSON.stringify(json).slice(1, -1);
  // The bytes get a separate buffer. In a block of the shared pool, a piece that is kept would keep the whole block.
  const quoted = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  quoted.write(text);
  return { quoted, plainBytes: Buffer.byteLength(json) };
}

/** Takes the place of a value in an object. `quoteObject` copies it into the JSON of the object. */
export class QuotedValue {
  readonly pieces: readonly QuotedPiece[];

  constructor(pieces: readonly QuotedPiece[]) {
    this.pieces = pieces;
  }
}

/** The JSON of an object, in pieces. As a string, it is the JSON before it was quoted. It is never overwritten, so nothing secret belongs in it. */
export class QuotedJson {
  readonly pieces: readonly Buffer[];
  /** Size of the JSON before it was quoted. Bytes of UTF-8. */
  readonly plainBytes: number;
  /** Size of all pieces. Bytes. */
  readonly quotedBytes: number;

  constructor(pieces: readonly QuotedPiece[]) {
    this.pieces = pieces.map(({ quoted }) => quoted);
    this.plainBytes = pieces.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
    this.quotedBytes = this.pieces.reduce((sum, { length }) => sum + length, 0);
  }

  toString(): string {
    return JSON.parse(`"${Buffer.concat(this.pieces).toString()}"`) as string;
  }
}

/** Like `JSON.stringify`. @param object its values are JSON values, undefined, or a `QuotedValue` */
export function quoteObject(object: object): QuotedJson {
  const pieces: QuotedPiece[] = [];
  let text = '{';
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:`;
    if (value instanceof QuotedValue) {
      pieces.push(quotePiece(text), ...value.pieces);
      text = '';
    } else text += JSON.stringify(value);
  }
  pieces.push(quotePiece(`${text}}`));
  return new QuotedJson(pieces);
}
