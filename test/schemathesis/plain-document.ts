/**
 * The OpenAPI document of a node as its callers see it before they seal and after they open: the inner schema that `x-nova-inner` names
 * stands in the place of each envelope, and nothing asks for a signature, since the sealing proxy makes both. What only the caller can
 * know, such as its wallet, is the one value that is right.
 */
import { isJsonObject } from '../../src/crypto/json.ts';

type Json = Readonly<Record<string, unknown>>;

/** Schemes of callers that the proxy signs for. */
const SIGNED: readonly string[] = ['app', 'peer'];

/** By schema and field: the one value of a request's field that is right. */
export type Known = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** @param document as a node serves it */
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
      // Inner forms have fields in common, so several may fit.
      return [name === 'oneOf' ? 'anyOf' : name, plain(part)];
    }),
  );
}

function unsigned(security: readonly Json[]): readonly Json[] {
  return security.filter((scheme) => !Object.keys(scheme).some((name) => SIGNED.includes(name)));
}
