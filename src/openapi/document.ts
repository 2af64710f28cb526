/**
 * The OpenAPI 3.1 document of a node, made from the schemas that its bodies are parsed with.
 *
 * The document describes a body under `/kms` and `/sync` as an envelope, because the text inside is encrypted and OpenAPI tools cannot
 * read it. The inner bodies are separate schemas among the components, so that tools can generate types from them. An envelope names its
 * inner schema by the extension `x-nova-inner`.
 */
import { z } from 'zod';
import { attestationRequest } from '../http/attestation.ts';
import { deleteBody, putBody } from '../http/data.ts';
import { deriveBody } from '../http/derive.ts';
import {
  answerFrame,
  appsAnswer,
  bucketsAnswer,
  deltaAnswer,
  deltaRequest,
  digestRequest,
  masterSecretRequest,
  rootAnswer,
  secretAnswer,
  snapshotAnswer,
  snapshotRequest,
} from '../sync/messages.ts';
import {
  auditPage,
  deleteAnswer,
  deriveAnswer,
  envelope,
  error,
  health,
  listAnswer,
  nodes,
  nonce,
  overview,
  putAnswer,
  readAnswer,
  sealedError,
  status,
} from './answers.ts';
import { CBOR, OPERATIONS, TEXT, type Operation } from './operations.ts';

type Json = Readonly<Record<string, unknown>>;

/** The fields that bind an inner body to its request (protocol.md §10, Bound to the request). */
const bound = (op: string) => ({ nonce: z.string().optional().meta({ description: 'The nonce of x-app-nonce' }), op: z.literal(op).optional() });
/** The fields that all messages of peers share. */
const message = (type: string) => ({
  type: z.literal(type),
  sender_wallet: z.string().optional().meta({ description: 'The wallet that signed' }),
  store_id: z.unknown().optional().meta({ description: "Names the sender's store; ignored unless it is 1 to 64 characters of text" }),
  request_id: z.unknown().optional().meta({ description: 'Echoed if it is 1 to 64 letters, digits, - or _; otherwise ignored' }),
});
const framed = (answer: z.ZodObject) => answerFrame.extend(answer.shape);

/** Schemas by name. Those of `INNER_SCHEMAS` are inside envelopes. */
const SCHEMAS = {
  Envelope: envelope,
  Error: error,
  Overview: overview,
  Health: health,
  Nonce: nonce,
  Status: status,
  Nodes: nodes,
  AuditPage: auditPage,
  AttestationRequest: attestationRequest,
  OpenApi: z.looseObject({ openapi: z.string() }),
} as const;
const INNER_SCHEMAS = {
  DeriveRequest: deriveBody.safeExtend(bound('derive')),
  DeriveAnswer: deriveAnswer,
  PutRequest: putBody.safeExtend(bound('put')),
  PutAnswer: putAnswer,
  DeleteRequest: deleteBody.safeExtend(bound('delete')),
  DeleteAnswer: deleteAnswer,
  ReadAnswer: readAnswer,
  ListAnswer: listAnswer,
  SealedError: sealedError,
  DeltaRequest: deltaRequest.extend(message('delta')),
  DeltaAnswer: framed(deltaAnswer),
  SnapshotRequest: snapshotRequest.extend(message('snapshot_request')),
  SnapshotAnswer: framed(snapshotAnswer),
  MasterSecretRequest: masterSecretRequest.extend(message('master_secret_request')),
  MasterSecretAnswer: framed(secretAnswer),
  DigestRequest: digestRequest.extend(message('digest_request')),
  RootAnswer: framed(rootAnswer),
  AppDigestsAnswer: framed(appsAnswer),
  BucketDigestsAnswer: framed(bucketsAnswer),
} as const;

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  401: 'The token is missing or wrong',
  403: 'The caller has not proved its identity, or is not allowed to ask',
  404: 'The route, key or check does not exist',
  405: 'The route does not take this method',
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
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = operationOf(operation);
  const schemas = { ...SCHEMAS, ...INNER_SCHEMAS };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Nova KMS node',
      version,
      description:
        'Bodies under /kms and /sync are envelopes: JSON, encrypted between two registered P-384 keys. x-nova-inner names the schema of the text inside. docs/protocol.md has the proof, the envelope and the signatures.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        app: { type: 'apiKey', in: 'header', name: 'x-app-signature', description: 'EIP-191 over NovaKMS:AppAuth:<nonce>:<wallet of the node>:<timestamp>, with x-app-nonce and x-app-timestamp' },
        peer: { type: 'apiKey', in: 'header', name: 'x-kms-signature', description: 'EIP-191 over NovaKMS:Auth:<nonce>:<wallet of the node>:<timestamp>, with x-kms-nonce, x-kms-timestamp and x-sync-signature' },
        operator: { type: 'http', scheme: 'bearer' },
      },
      schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, jsonSchema(schema)])),
    },
  };
}

function operationOf({ method, path, summary, security, parameters, request, answer, sealed, errors }: Operation): Json {
  const isText = answer === TEXT;
  const plain = new Map([
    [TEXT, content('text/plain', { type: 'string' })],
    [CBOR, content('application/cbor', {})],
  ]).get(answer ?? '');
  const good: Json = plain ?? content('application/json', sealed === undefined ? refTo(answer!) : sealedBy(sealed.answers[200]!));
  const responses: Record<string, Json> = { 200: { description: 'OK', ...good } };
  for (const code of errors) responses[code] = errorOf(code, sealed?.answers[code]);
  // A failed check is not an error of the request, so a probe's 503 is text.
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

/** @param inner the schemas of a sealed error, which a request with `x-nova-sealed-errors: 1` gets; undefined: it is never sealed */
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
      // `undefined` is a field that must be absent. `custom` is an object that is checked later.
      if (type === 'undefined') json.not = {};
      if (type === 'custom') json.type = 'object';
    },
  });
  // The version of the OpenAPI document already implies it.
  delete made['$schema'];
  return made;
}
