/** The form of an operation in the tables of this folder. Each table lists operations by endpoint, and refers to their schemas by name. */
import type { z } from 'zod';
import type { Endpoint } from '../domain/routes.ts';

/** Used in place of a schema name when the answer is text. */
export const TEXT = 'text';
/** Used in place of a schema name when the answer is CBOR. */
export const CBOR = 'cbor';

export type Schemas = Readonly<Record<string, z.ZodType>>;

/** The inner schemas of an encrypted route. If a list has several names, a body has the form of one of these schemas. */
interface Sealed<SchemaName> {
  readonly request?: readonly SchemaName[];
  /** The schemas of the inner answers, by HTTP status. */
  readonly answers: Readonly<Record<number, readonly SchemaName[]>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly description: string;
  readonly schema: object;
}

/** One endpoint. `SchemaName` is the name of a schema in the same table. */
export interface Operation<SchemaName extends string = string> {
  readonly summary: string;
  readonly security?: 'app' | 'peer' | 'operator';
  readonly parameters?: readonly Parameter[];
  /** The schema of the request, for a route that is not encrypted. */
  readonly request?: SchemaName;
  /** The schema of the answer, for a route that is not encrypted. */
  readonly answer?: SchemaName | typeof TEXT | typeof CBOR;
  /** The schemas of the inner bodies, for a route whose bodies are envelopes. */
  readonly sealed?: Sealed<SchemaName>;
  /** The HTTP statuses of the errors that the endpoint can return. All errors have the same form. */
  readonly errors: readonly number[];
}

/** A table of operations. `document.ts` checks that all tables together contain every endpoint. */
export type Operations<SchemaName extends string = string> = Readonly<Partial<Record<Endpoint, Operation<SchemaName>>>>;

/** Schemas of parameters. */
export const text = { type: 'string' };
export const whole = (minimum: number, maximum: number): object => ({ type: 'integer', minimum, maximum });
export const oneOf = (names: readonly string[]): object => ({ type: 'string', enum: names });
