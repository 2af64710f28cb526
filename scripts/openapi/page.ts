/** The OpenAPI document as a readable page (docs/api.md). */

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly not?: object;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly 'x-nova-inner'?: Schema;
}

interface Content {
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface OperationObject {
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly description: string }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content & { readonly description: string }>>;
}

export interface Document {
  readonly info: { readonly title: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly securitySchemes: Readonly<Record<string, { readonly description?: string }>> };
}

const WHO: Readonly<Record<string, string>> = { app: 'an app, with `x-app-*` headers', peer: 'a member of the cluster, with `x-kms-*` headers', operator: 'an operator, with a bearer token' };

const OTHER_TYPES: Readonly<Record<string, string>> = { 'text/plain': 'text', 'application/cbor': 'CBOR' };

export function apiPage({ info, paths, components }: Document): string {
  const lines = [
    '# The HTTP API of a node',
    '',
    '`npm run openapi:update` makes this page from [openapi.json](openapi.json). A node serves the same document at `/openapi.json`.',
    '',
    info.description,
    '',
    'Inner bodies are listed as schemas, not as request bodies, because only the envelope is on the wire. A tool that checks or mocks',
    'requests with the document would otherwise expect plain JSON, which a node refuses.',
    '',
    '## Routes',
    '',
  ];
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) lines.push(...operationLines(`${method.toUpperCase()} ${path}`, operation));
  }
  lines.push('## Schemas', '');
  for (const [name, schema] of Object.entries(components.schemas)) lines.push(...schemaLines(name, schema));
  return `${lines.join('\n').trimEnd()}\n`;
}

function operationLines(title: string, { summary, security, parameters = [], requestBody, responses }: OperationObject): string[] {
  const [scheme] = security.flatMap((each) => Object.keys(each));
  return [
    `### ${title}`,
    '',
    `${summary}. Callers: ${scheme === undefined ? 'everyone' : WHO[scheme]!}.`,
    '',
    ...parameters.map(({ name, in: where, description }) => `- \`${name}\` (${where}): ${description}`),
    ...(requestBody === undefined ? [] : [`- body: ${bodyOf(requestBody)}`]),
    ...Object.entries(responses).map(([status, response]) => `- ${status}: ${status === '200' ? bodyOf(response) : `${response.description} (${bodyOf(response)})`}`),
    '',
  ];
}

function bodyOf({ content }: Content): string {
  return Object.entries(content).map(([type, { schema }]) => (type === 'application/json' ? nameOf(schema) : (OTHER_TYPES[type] ?? type))).join(' or ');
}

function nameOf(schema: Schema): string {
  const { $ref, oneOf, 'x-nova-inner': inner } = schema;
  if (oneOf !== undefined) return oneOf.map(nameOf).join(' or ');
  const name = `[${$ref!.split('/').at(-1)!}](#${$ref!.split('/').at(-1)!.toLowerCase()})`;
  return inner === undefined ? name : `${name} with ${nameOf(inner)} inside`;
}

function schemaLines(name: string, schema: Schema): string[] {
  return [`### ${name}`, '', ...fieldLines(schema, 0), ''];
}

function fieldLines({ properties = {}, required = [], anyOf, oneOf }: Schema, depth: number): string[] {
  const indent = '  '.repeat(depth);
  const forms = anyOf ?? oneOf ?? [];
  return [
    ...Object.entries(properties).flatMap(([field, of]) => [
      `${indent}- \`${field}\`${required.includes(field) ? '' : ' (optional)'}: ${[typeOf(of), of.description].filter((text) => text !== undefined).join('; ')}`,
      ...fieldLines(of.items ?? of, depth + 1),
    ]),
    ...forms.filter((form) => form.properties !== undefined).flatMap((form, at) => [...(forms.length > 1 && at > 0 ? [`${indent}- or`] : []), ...fieldLines(form, depth)]),
  ];
}

function boundsOf(minimum: number | undefined, maximum: number | undefined): string | null {
  if (minimum === undefined) return maximum === undefined ? null : `at most ${maximum}`;
  return maximum === undefined ? `at least ${minimum}` : `from ${minimum} to ${maximum}`;
}

function typeOf(schema: Schema): string {
  const { type, anyOf, oneOf, items, const: only, enum: values, not, default: fallback, minimum, maximum, maxLength } = schema;
  if (not !== undefined) return 'must be absent';
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  const range = [
    boundsOf(minimum, maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum),
    maxLength === undefined ? null : `of at most ${maxLength} characters`,
    fallback === undefined ? null : `(default ${JSON.stringify(fallback)})`,
  ].filter((text) => text !== null);
  const base =
    values !== undefined
      ? values.map((value) => `\`${String(value)}\``).join(', ')
      : (anyOf ?? oneOf) !== undefined
        ? [...new Set((anyOf ?? oneOf)!.map(typeOf))].join(' or ')
        : items !== undefined
          ? `array of ${typeOf(items)}`
          : [type ?? 'any'].flat().join(' or ');
  return [base, ...range].join(' ');
}
