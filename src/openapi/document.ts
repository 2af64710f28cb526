/**
 * Makes the OpenAPI 3.1 document of a node from the schemas with which the node parses bodies.
 *
 * The document describes a body under `/kms` and `/sync` as an envelope, because the text inside is encrypted and OpenAPI tools cannot read
 * it. The inner bodies are separate schemas among the components, so that tools can generate types from them. An envelope names its inner
 * schema in the extension `x-nova-inner`.
 */
import { z } from 'zod';
import { partsOf, type Endpoint } from '../domain/routes.ts';
import { APP_OPERATIONS, APP_SCHEMAS } from './app-operations.ts';
import { NODE_OPERATIONS, NODE_SCHEMAS } from './node-operations.ts';
import { CBOR, TEXT, type Operation } from './operation.ts';
import { PEER_OPERATIONS, PEER_SCHEMAS } from './peer-operations.ts';

type Json = Readonly<Record<string, unknown>>;

/** The compiler refuses an endpoint without an operation, and an operation without an endpoint. */
const OPERATIONS: Readonly<Record<Endpoint, Operation>> = { ...NODE_OPERATIONS, ...APP_OPERATIONS, ...PEER_OPERATIONS };

/** A node writes lower-case hex without `0x`. It also accepts upper case and `0x`. */
const anyHex = z.string().regex(/^(?:0x)?(?:[0-9a-fA-F]{2})+$/);
const SCHEMAS = {
  Envelope: z.object({
    sender_tee_pubkey: anyHex.meta({ description: 'The registered key of the sender: P-384, DER SubjectPublicKeyInfo' }),
    nonce: anyHex.meta({ description: '12 bytes' }),
    encrypted_data: anyHex.meta({ description: 'Ciphertext, then the tag of 16 bytes' }),
  }),
  Error: z.object({ code: z.string(), message: z.string() }),
  ...NODE_SCHEMAS,
  // Inside envelopes.
  ...APP_SCHEMAS,
  ...PEER_SCHEMAS,
};

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  401: 'The token is missing or wrong',
  403: 'The caller has not proved its identity, or is not allowed to make this request',
  404: 'The route, key or check does not exist',
  405: 'The route does not accept this method',
  413: 'The body is too long',
  415: 'The body has a content coding',
  429: 'Too many requests: see Retry-After',
  500: 'The node failed',
  503: 'The node cannot answer now: the message says why, Retry-After says when to try again',
  504: 'The write is kept, but fewer peers than requested have it',
  507: 'The store or the quota of the app is full',
};

export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [endpoint, operation] of Object.entries(OPERATIONS) as [Endpoint, Operation][]) {
    const [upperCase, route] = partsOf(endpoint);
    const [method, path] = [upperCase.toLowerCase(), route.replace(/<(\w+)>/, '{$1}')];
    (paths[path] ??= {})[method] = operationOf(method, path, operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Nova KMS node',
      version,
      description:
        'Bodies under /kms and /sync are envelopes: JSON objects with a text that is encrypted under a key derived from two registered P-384 keys. x-nova-inner names the schema of the decrypted text. docs/protocol.md describes the proof, the envelope and the signatures.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        app: { type: 'apiKey', in: 'header', name: 'x-app-signature', description: 'EIP-191 over NovaKMS:AppAuth:<nonce>:<wallet of the node>:<timestamp>, with x-app-nonce and x-app-timestamp' },
        peer: { type: 'apiKey', in: 'header', name: 'x-kms-signature', description: 'EIP-191 over NovaKMS:Auth:<nonce>:<wallet of the node>:<timestamp>, with x-kms-nonce, x-kms-timestamp and x-sync-signature' },
        operator: { type: 'http', scheme: 'bearer' },
      },
      schemas: Object.fromEntries(Object.entries<z.ZodType>(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)])),
    },
  };
}

function operationOf(method: string, path: string, { summary, security, parameters, request, answer, sealed, errors }: Operation): Json {
  const isText = answer === TEXT;
  const plain = new Map([
    [TEXT, content('text/plain', { type: 'string' })],
    [CBOR, content('application/cbor', {})],
  ]).get(answer ?? '');
  const good: Json = plain ?? content('application/json', sealed === undefined ? refTo(answer!) : sealedBy(sealed.answers[200]!));
  const responses: Record<string, Json> = { 200: { description: 'OK', ...good } };
  for (const code of errors) responses[code] = errorOf(code, sealed?.answers[code]);
  // A 503 from a probe only reports that a check failed. So its body is a text about the checks, not an error in JSON.
  if (isText && path !== '/metrics') responses[503] = { description: 'A check failed', ...content('text/plain', { type: 'string' }) };
  return {
    operationId: `${method}${path.replace(/[^a-z]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
    summary,
    security: security === undefined ? [] : [{ [security]: [] }],
    ...(parameters === undefined ? {} : { parameters: parameters.map((parameter) => ({ ...parameter, required: parameter.in === 'path' })) }),
    ...(request === undefined ? {} : { requestBody: { required: false, ...content('application/json', refTo(request)) } }),
    ...(sealed?.request === undefined ? {} : { requestBody: { required: true, ...content('application/json', sealedBy(sealed.request)) } }),
    responses,
  };
}

/** @param inner the schemas of a sealed error, which a request with `x-nova-sealed-errors: 1` gets; undefined if the error is never sealed */
function errorOf(code: number, inner: readonly string[] | undefined): Json {
  const plain = refTo('Error');
  return { description: ERRORS[code]!, ...content('application/json', inner === undefined ? plain : { oneOf: [plain, sealedBy(inner)] }) };
}

function content(type: string, schema: Json): Json {
  return { content: { [type]: { schema } } };
}

function refTo(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

/** An envelope with one of these schemas inside. */
function sealedBy(names: readonly string[]): Json {
  return { ...refTo('Envelope'), 'x-nova-inner': names.length === 1 ? refTo(names[0]!) : { oneOf: names.map(refTo) } };
}

function jsonSchema(schema: z.ZodType): Json {
  const made: Record<string, unknown> = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: json }) => {
      const { type } = zodSchema._zod.def;
      // The type `undefined` stands for a field that must be absent, and `custom` for an object that is checked later.
      if (type === 'undefined') json.not = {};
      if (type === 'custom') json.type = 'object';
    },
  });
  // The version of the OpenAPI document already implies this field.
  delete made['$schema'];
  return made;
}
