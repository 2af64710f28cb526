/** Makes one call as an app, and turns a failure of the call into an error line and an exit code. */
import type { Command } from 'commander';
import process from 'node:process';
import { KmsClientError, type KmsAttempt } from '../../client/errors.ts';
import { createKmsClient, type KmsClient } from '../../client/kms-client.ts';
import type { CallOptions } from '../../client/options.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { plainText } from '../plain-text.ts';
import { clientOptionsOf, type AppOptions } from './app-options.ts';

/** @throws CommandError */
export async function callAsApp<Result>(command: Command, call: (client: KmsClient, options: CallOptions) => Promise<Result>): Promise<Result> {
  const options = command.opts<AppOptions>();
  let client: KmsClient | null = null;
  try {
    client = createKmsClient(clientOptionsOf(options, process.env));
    return await call(client, options.node === undefined ? {} : { node: options.node });
  } catch (error) {
    throw error instanceof KmsClientError ? commandErrorOf(error) : error;
  } finally {
    await client?.close();
  }
}

/** Maximum number of attempts that an error line lists. Attempts with the same node that failed in the same way are listed once. */
const MAX_SAID_ATTEMPTS = 8;
const MAX_URL_CHARACTERS = 80;

/** Makes an error line from the client's message and the failure of each node. The line quotes nothing from requests or answers except the HTTP status. */
export function commandErrorOf(error: KmsClientError): CommandError {
  const { message, attempts } = error;
  const tries = [...new Set(attempts.map(attemptText))];
  const said = tries.slice(0, MAX_SAID_ATTEMPTS).join('; ');
  const line = `${message}${said === '' ? '' : `: ${said}`}${hintOf(error)}`;
  return new CommandError(line, exitCodeOf(error));
}

function attemptText({ url, failure, status }: KmsAttempt): string {
  return `${plainText(url, MAX_URL_CHARACTERS)} ${failure}${status === undefined ? '' : ` ${status}`}`;
}

const NOT_KNOWN = ': is the app registered with these keys, and is the registration deep enough in the chain?';

function hintOf({ code, status, serverCode }: KmsClientError): string {
  if (status === 403) return NOT_KNOWN;
  if (serverCode === 'not_replicated') return ': the write is kept and continues to replicate to the other nodes';
  if (serverCode === 'payload_too_large') return ': the value is larger than a node accepts';
  return HINTS[code] ?? '';
}

const HINTS: Readonly<Partial<Record<KmsClientError['code'], string>>> = {
  registry_unavailable: ': does the RPC of the chain answer at NODE_URL, or at the URL in the chain field of the identity file?',
  identity_unavailable: ': does the enclave API answer at ODYN_URL?',
};

/** A cluster that is not ready is a negative answer (EXIT.no), not a failure. */
function exitCodeOf({ code, attempts }: KmsClientError): number {
  if (code === 'invalid_argument') return EXIT.usage;
  if (code === 'no_nodes') return EXIT.no;
  if (code === 'unavailable' && attempts.some(({ failure }) => failure === 'unready')) return EXIT.no;
  return EXIT.failed;
}
