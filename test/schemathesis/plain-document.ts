/**
 * The OpenAPI document of a node, without envelopes and signatures. The inner schema in `x-nova-inner` replaces each envelope, and no
 * operation needs a signature, because the sealing proxy makes envelopes and signatures. If only the caller knows the value of a field, such
 * as the caller's wallet, the document allows only that value.
 */
import { isJsonObject } from '../../src/crypto/json.ts';

type Json = Readonly<Record<string, unknown>>;

/** The security schemes whose signatures the proxy makes. */
const SIGNED: readonly string[] = ['app', 'peer'];

/** The only value that each field may have, by schema and field name. */
export type Known = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** @param document the document that the node serves */
export function plainDocument(document: Json, known: Known): Json {
  const made = structuredClone(plain(document)) as { readonly components: { readonly schemas: Record<string, { readonly properties: Record<string, unknown> }> } };
  for (const [schema, fields] of Object.entries(known)) {
    for (const [field, value] of Object.entries(fields)) made.components.schemas[schema]!.properties[field] = { const: value };
  }
  return made;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isJsonObject(value)) return value;
  const inner = value['x-nova-inner'];
  if (inner !== undefined) return plain(inner);
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => {
      if (name === 'security') return [name, unsigned(part as readonly Json[])];
      // Inner schemas have fields in common, so several schemas may match.
      return [name === 'oneOf' ? 'anyOf' : name, plain(part)];
    }),
  );
}

function unsigned(security: readonly Json[]): readonly Json[] {
  return security.filter((scheme) => !Object.keys(scheme).some((name) => SIGNED.includes(name)));
}
