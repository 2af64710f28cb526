/**
 * Names in JSON texts that V8 may misread (nodejs/node#63785, open): names of one character that are written with an escape, such as
 * `"\""` or `"\n"`. After `JSON.parse` has parsed an object that has the name `\`, it reads these names as `\` too. No message of the
 * protocol has such a name, so property tests leave these names out.
 */
const ONE_ESCAPED_CHARACTER = /"\\(?:u[0-9a-fA-F]{4}|[^u])"\s*:/;

/** @param text JSON */
export function hasMisreadName(text: string): boolean {
  return ONE_ESCAPED_CHARACTER.test(text);
}
