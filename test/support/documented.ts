/**
 * Answers against the OpenAPI document: status, form and every field. The document leaves room for further fields, as later versions may
 * have them; here there is none, so that nothing is answered that is not written down.
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
  /** As sent. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | undefined;
  /** Of the body; undefined when it is not valid JSON. */
  readonly json: unknown;
}

const DOCUMENT = openApiDocument('test') as unknown as Document;
const made = new Map<string, z.ZodType>();

/** What an answer has that the document does not say of it; null when it is as documented. */
export function undocumented({ method, path, status, contentType, json }: DocumentedAnswer): string | null {
  // Preflights, and answers without a body.
  if (method === 'HEAD' || method === 'OPTIONS' || status === 204) return null;
  const responses = operationAt(method, path)?.responses;
  // No route takes it: refused in the form of all errors.
  if (responses === undefined) return problemOf({ $ref: '#/components/schemas/Error' }, json);
  const documented = responses[status];
  if (documented === undefined) return `a status ${status} is not documented`;
  const [type = '', form] = Object.entries(documented.content)[0] ?? [];
  if (contentType?.startsWith(type) !== true) return `${String(contentType)} in place of ${type}`;
  return type === 'application/json' ? problemOf(form?.schema ?? {}, json) : null;
}

/** As `undocumented`, of what was inside an envelope. */
export function undocumentedInside({ method, path, status }: Pick<DocumentedAnswer, 'method' | 'path' | 'status'>, inner: unknown): string | null {
  const responses = operationAt(method, path)?.responses ?? {};
  const form = responses[status]?.content['application/json']?.schema ?? {};
  const sealed = [form, ...(form.oneOf ?? [])].find((each) => each['x-nova-inner'] !== undefined)?.['x-nova-inner'];
  return sealed === undefined ? 'no envelope is documented there' : problemOf(sealed, inner);
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

/** With its references followed, and objects that have no other fields than those that are named. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (!isJsonObject(schema)) return schema;
  const ref = schema['$ref'];
  if (typeof ref === 'string') return closed(DOCUMENT.components.schemas[ref.split('/').at(-1)!]);
  // They say how a text is to be read.
  const own: Record<string, unknown> = Object.fromEntries(Object.entries(schema).filter(([name]) => name !== 'x-nova-inner' && name !== 'contentEncoding'));
  // Of several forms one fits, and then no other: that they exclude each other is not said of them.
  const { oneOf, ...rest } = own;
  const forms = oneOf === undefined ? {} : { anyOf: oneOf };
  const fields = Object.entries({ ...rest, ...forms }).map(([name, part]) => [name, closed(part)] as const);
  const isOpen = own['properties'] === undefined || own['additionalProperties'] !== undefined;
  return { ...Object.fromEntries(fields), ...(isOpen ? {} : { additionalProperties: false }) };
}
