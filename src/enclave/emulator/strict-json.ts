/**
 * Parses JSON as the enclave API does (protocol.md §7): UTF-8 without a byte order mark, no duplicate fields, no lone surrogates. A plain
 * `TextDecoder` drops the mark, and `JSON.parse` accepts duplicate fields and lone surrogates.
 */

/** The index after the closing quote of the string at `from`. Uses a loop, because a regular expression cannot match 10 MiB of escapes. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; ; at += 1) {
    const char = text[at];
    if (char === '"') return at + 1;
    if (char === '\\') at += 1;
  }
}

/** Whether an object in the text, which is valid JSON, has a duplicate field. */
function hasDuplicates(text: string): boolean {
  /** Field names of each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  /** The last string; it is a field name when a colon follows. */
  let [from, to] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      [from, to] = [at, endOfString(text, at)];
      at = to - 1;
    } else if (char === '{') open.push(new Set());
    else if (char === '[') open.push(null);
    else if (char === '}' || char === ']') open.pop();
    else if (char === ':') {
      const names = open.at(-1);
      const name = JSON.parse(text.slice(from, to)) as string;
      if (names?.has(name) === true) return true;
      names?.add(name);
    }
  }
  return false;
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, inner]) => name.isWellFormed() && isWellFormed(inner));
}

/** @throws SyntaxError or TypeError */
export function parseStrictJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const value = JSON.parse(text) as unknown;
  if (hasDuplicates(text)) throw new SyntaxError('a field occurs twice');
  if (!isWellFormed(value)) throw new SyntaxError('a string has a lone surrogate');
  return value;
}
