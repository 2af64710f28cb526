/** JSON with one long hex string (crypto/cut-hex.ts). The results are compared with those of a parser that gets the whole body. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCuttingHex, parseKeepingHexBytes } from '../../../src/crypto/cut-hex.ts';
import { isJsonObject, parseJsonBody } from '../../../src/crypto/json.ts';
import { HexBytes } from '../../../src/domain/hex.ts';

const NAME = 'encrypted_data';
const HEX = 'ab09'.repeat(5_000);

/** The length of each string that the parser gets. */
function parserLengths(body: string): readonly number[] {
  const lengths: number[] = [];
  parseCuttingHex(Buffer.from(body), NAME, (json) => {
    lengths.push(json.length);
    return parseJsonBody(json);
  });
  return lengths;
}

function outcomeOf(parse: () => unknown): unknown {
  try {
    // The JSON text also shows the order of the fields.
    return JSON.stringify(parse());
  } catch {
    return 'refused';
  }
}

/** Both forms of the long hex become the same string. Other values stay as they are. */
function withBareHex(parsed: unknown): unknown {
  const fields = parsed as Record<string, unknown>;
  const value = isJsonObject(parsed) ? fields[NAME] : undefined;
  if (value instanceof HexBytes) fields[NAME] = String(value);
  if (typeof value === 'string' && /^(?:0x)?(?:[0-9a-f]{2})+$/i.test(value)) fields[NAME] = value.replace(/^0x/, '').toLowerCase();
  return parsed;
}

function expectSame(body: Buffer): void {
  const copy = Buffer.from(body);
  expect(outcomeOf(() => parseCuttingHex(body, NAME, parseJsonBody))).toBe(outcomeOf(() => parseJsonBody(copy)));
  expect(outcomeOf(() => withBareHex(parseKeepingHexBytes(body, NAME, parseJsonBody)))).toBe(outcomeOf(() => withBareHex(parseJsonBody(copy))));
  expect(body.equals(copy)).toBe(true);
}

test.each<[string, string]>([
  ['the only field', `{"${NAME}":"${HEX}"}`],
  ['the first field', `{"${NAME}":"${HEX}","nonce":"00"}`],
  ['the last field, with spaces around it', ` {"nonce" : "00", "${NAME}" :\n\t"${HEX}" } `],
  ['in upper case after 0x', `{"${NAME}":"0x${HEX.toUpperCase()}"}`],
])('the parser does not get the hex if it is %s', (_, body) => {
  expect(parserLengths(body)).toEqual([body.length - body.split('"').find((text) => text.length >= HEX.length)!.length]);
  expectSame(Buffer.from(body));
});

test('the hex can stay bytes', () => {
  const parsed = parseKeepingHexBytes(Buffer.from(`{"${NAME}":"0x${HEX.toUpperCase()}"}`), NAME, parseJsonBody) as Record<string, unknown>;
  expect(parsed[NAME]).toBeInstanceOf(HexBytes);
  expect(String(parsed[NAME])).toBe(HEX);
});

test('a short body is parsed as it is', () => {
  const body = `{"${NAME}":"abcd"}`;
  expect(parserLengths(body)).toEqual([body.length]);
});

describe('cutting out the hex gives the same result as parsing the whole body', () => {
  test.each<[string, string]>([
    ['the field occurs twice', `{"${NAME}":"${HEX}","${NAME}":"cd"}`],
    ['the field occurs twice, once with an escape in its name', `{"${NAME}":"${HEX}","encrypted\\u005fdata":"cd"}`],
    ['the field is in another object', `{"a":{"${NAME}":"${HEX}"}}`],
    ['the field is in an inner object, and the outermost object has a field of that name, written with an escape', `{"a":{"${NAME}":"${HEX}"},"encrypted\\u005fdata":""}`],
    ['the name also occurs as the value of another field, and the field itself has an escape in its name', `{"a":"${NAME}","encrypted\\u005fdata":"${HEX}"}`],
    ['the field is quoted in a string', `{"a":"\\"${NAME}\\":\\"${HEX}\\""}`],
    ['the outermost value is a list', `[{"${NAME}":"${HEX}"}]`],
    ['the value has an escape', `{"${NAME}":"${HEX}\\u0061"}`],
    ['the value has a line break', `{"${NAME}":"${HEX}\n"}`],
    ['the value has an odd number of digits', `{"${NAME}":"${HEX}a"}`],
    ['the value is a list', `{"${NAME}":["${HEX}"]}`],
    ['the value is a number', `{"${NAME}":${'1'.repeat(20_000)}}`],
    ['the value has no closing quote', `{"${NAME}":"${HEX}`],
    ['the colon is missing', `{"${NAME}" "${HEX}"}`],
    ['the name has no opening quote', `{"a":"x${NAME}":"${HEX}"}`],
    ['a comma follows the last field', `{"${NAME}":"${HEX}",}`],
    ['text follows the object', `{"${NAME}":"${HEX}"} x`],
    ['a byte order mark precedes the object', `\ufeff{"${NAME}":"${HEX}"}`],
    ['there is a field __proto__', `{"__proto__":{"a":1},"${NAME}":"${HEX}"}`],
  ])('if %s', (_, body) => expectSame(Buffer.from(body)));

  test('if bytes are not UTF-8', () => expectSame(Buffer.concat([Buffer.from(`{"${NAME}":"${HEX}","a":"`), Buffer.of(0xff), Buffer.from('"}')])));

  test('for bodies made of random parts', () => {
    const name = fc.constantFrom(`"${NAME}"`, `"${NAME}"`, '"encrypted\\u005fdata"', '"nonce"', '"__proto__"', '"1"');
    const text = fc.constantFrom(`"${HEX}"`, `"0x${HEX}"`, '"ab"', '""', `"${HEX}z"`, `"${NAME}"`, `"\\"${NAME}\\":"`, '"é"', '7', 'null');
    const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
      value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, text, tie('object'), fc.array(tie('value'), { maxLength: 2 }).map((items) => `[${items.join(',')}]`)),
      object: fc.array(fc.tuple(name, fc.constantFrom(':', ' : ', ''), tie('value')), { maxLength: 4 }).map((fields) => `{${fields.map((parts) => parts.join('')).join(',')}}`),
    }));
    fc.assert(fc.property(value, fc.constantFrom('', '', '', ' ', '}', '"'), (json, end) => expectSame(Buffer.from(json + end))), { numRuns: 1_000 });
  });
});
