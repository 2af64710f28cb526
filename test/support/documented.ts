/**
 * Compares answers with the OpenAPI document: status, form and every field. The document allows fields that it does not describe, because
 * later versions may add some. This check allows no such fields, so every field of an answer must be documented.
 */
import { z } from 'zod';
import { isJsonObject } from '../../src/crypto/json.ts';
import { routeOf } from '../../src/http/measure-requests.ts';
import { openApiDocument } from '../../src/openapi/document.ts';

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly 'x-nova-inner'?: Schema;
  readonly oneOf?: readonly Schema[];
}

interface OperationObject {
  readonly responses: Partial<Readonly<Record<string, { readonly content: Partial<Readonly<Record<string, { readonly schema: Schema }>>> }>>>;
}

interface Document {
  readonly paths: Partial<Readonly<Record<string, Partial<Readonly<Record<string, OperationObject>>>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface DocumentedAnswer {
  readonly method: string;
  /** The path as sent. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | undefined;
  /** The parsed body; undefined when it is not valid JSON. */
  readonly json: unknown;
}

const DOCUMENT = openApiDocument('test') as unknown as Document;
const made = new Map<string, z.ZodType>();

/** How an answer differs from the document; null if it matches the document. */
export function undocumented({ method, path, status, contentType, json }: DocumentedAnswer): string | null {
  // Preflights and other answers without a body are not compared.
  if (method === 'HEAD' || method === 'OPTIONS' || status === 204) return null;
  const responses = operationAt(method, path)?.responses;
  // If no route matches, the answer must have the error body that all routes share.
  if (responses === undefined) return problemOf({ $ref: '#/components/schemas/Error' }, json);
  const documented = responses[status];
  if (documented === undefined) return `the status ${status} is not documented`;
  const [type = '', form] = Object.entries(documented.content)[0] ?? [];
  if (contentType?.startsWith(type) !== true) return `the content type is ${String(contentType)}, not ${type}`;
  return type === 'application/json' ? problemOf(form?.schema ?? {}, json) : null;
}

/** Like `undocumented`, but for the inner body of an envelope. */
export function undocumentedInside({ method, path, status }: Pick<DocumentedAnswer, 'method' | 'path' | 'status'>, inner: unknown): string | null {
  const responses = operationAt(method, path)?.responses ?? {};
  const form = responses[status]?.content['application/json']?.schema ?? {};
  const sealed = [form, ...(form.oneOf ?? [])].find((each) => each['x-nova-inner'] !== undefined)?.['x-nova-inner'];
  return sealed === undefined ? 'no envelope is documented for this answer' : problemOf(sealed, inner);
}

function operationAt(method: string, path: string): OperationObject | undefined {
  const pattern = routeOf(path).replace(/<(\w+)>/g, '{$1}');
  return DOCUMENT.paths[pattern]?.[method.toLowerCase()];
}

function problemOf(schema: Schema, value: unknown): string | null {
  const id = JSON.stringify(schema);
  const form = made.get(id) ?? z.fromJSONSchema(closed(schema) as Parameters<typeof z.fromJSONSchema>[0]);
  made.set(id, form);
  const parsed = form.safeParse(value);
  return parsed.success ? null : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}

/** Resolves the references of a schema, and makes its objects refuse all fields that the schema does not describe. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (!isJsonObject(schema)) return schema;
  const ref = schema['$ref'];
  if (typeof ref === 'string') return closed(DOCUMENT.components.schemas[ref.split('/').at(-1)!]);
  // Leaves out the keywords about decoded content, because this schema is only about the text as sent.
  const own: Record<string, unknown> = Object.fromEntries(Object.entries(schema).filter(([name]) => name !== 'x-nova-inner' && name !== 'contentEncoding'));
  // `oneOf` becomes `anyOf`: the alternatives may overlap, so it is enough that one of them matches.
  const { oneOf, ...rest } = own;
  const forms = oneOf === undefined ? {} : { anyOf: oneOf };
  const fields = Object.entries({ ...rest, ...forms }).map(([name, part]) => [name, closed(part)] as const);
  const isOpen = own['properties'] === undefined || own['additionalProperties'] !== undefined;
  return { ...Object.fromEntries(fields), ...(isOpen ? {} : { additionalProperties: false }) };
}
