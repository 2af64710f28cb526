/** Input that an attacker or a broken program might send: almost valid values, damaged strings, JSON of any kind. */
import fc from 'fast-check';

/** Values that parsers often handle wrongly. */
const odd = fc.constantFrom<unknown>(
  null, true, false, 0, -1, 0.5, 1e308, 2 ** 53, 2 ** 63, '', ' ', '0', '-1', '0x', '0x0', '1e3', 'NaN', '__proto__', 'constructor', 'data_key',
  '\u0000', '\ud800', '\ufeff', '\u202e', '../..', '%00', 'a'.repeat(300), [], {}, [[]], JSON.parse('{"__proto__":{"polluted":true}}'), Array.from({ length: 300 }, () => 0),
);

const anyKey = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'key', 'value', 'type', 'data', 'nonce', 'op', 'status', 'length', 'path'));

export const anyJson: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, odd, fc.string({ unit: 'binary' }), fc.double(), fc.array(tie('value'), { maxLength: 5 }), fc.dictionary(anyKey, tie('value'), { maxKeys: 5 })),
})).value;

/** Bytes of any kind, often readable text. */
export const anyBytes: fc.Arbitrary<Buffer> = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 300 })).map((given) => (typeof given === 'string' ? Buffer.from(given, 'utf8') : Buffer.from(given)));

/** One change to a value. `at` is the number of the place to change: all places in the value, including nested ones, are numbered. */
interface Change {
  readonly at: number;
  readonly how: 'replace' | 'remove' | 'add';
  readonly name: string;
  readonly value: unknown;
}

const change: fc.Arbitrary<Change> = fc.record({ at: fc.nat(60), how: fc.constantFrom('replace', 'replace', 'remove', 'add'), name: anyKey, value: anyJson });
/** The number of changes is small, so that most of the changed values pass the first check of the program under test. */
export const changes: fc.Arbitrary<readonly Change[]> = fc.array(change, { maxLength: 3 });

function placesIn(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...path, name]))];
}

function applied(value: unknown, path: readonly string[], { how, name, value: other }: Change): unknown {
  const [next, ...rest] = path;
  if (next === undefined) {
    if (how === 'replace' || typeof value !== 'object' || value === null) return other;
    if (how === 'remove') return undefined;
    return Array.isArray(value) ? [...(value as readonly unknown[]), other] : Object.fromEntries([...Object.entries(value), [name, other]]);
  }
  if (Array.isArray(value)) return (value as readonly unknown[]).map((inner, place) => (String(place) === next ? applied(inner, rest, { at: 0, how, name, value: other }) : inner));
  return Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, key === next ? applied(inner, rest, { at: 0, how, name, value: other }) : (inner as unknown)]));
}

/** Applies these changes to a valid value. */
export function changed(good: unknown, list: readonly Change[]): unknown {
  return list.reduce((value: unknown, each) => {
    const places = placesIn(value);
    return applied(value, places[each.at % places.length]!, each);
  }, good);
}

/** The value as JSON; an empty string for a value that JSON cannot express. */
export function jsonOf(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value);
}

/** Damage to a string: at up to two places, bytes are removed and others are inserted. */
export const tears = fc.array(fc.record({ at: fc.nat(4_000), drop: fc.nat(8), put: fc.uint8Array({ maxLength: 6 }) }), { maxLength: 2 });

export function torn(text: Uint8Array, list: readonly { readonly at: number; readonly drop: number; readonly put: Uint8Array }[]): Buffer {
  return list.reduce<Buffer>((bytes, { at, drop, put }) => {
    const from = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + drop)]);
  }, Buffer.from(text));
}
