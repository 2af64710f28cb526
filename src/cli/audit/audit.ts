/** `nova-kms audit`: fetches a node's audit log into a file, and verifies such a file (docs/audit.md). */
import { appendFile, readFile } from 'node:fs/promises';
import process from 'node:process';
import { Argument, InvalidArgumentError, type Command } from 'commander';
import { AuditVerifier } from '../../audit/verifier.ts';
import { parseWallet, type Wallet } from '../../domain/ids.ts';
import { PeerTransport } from '../../net/peer-transport.ts';
import { systemClock } from '../../system/system.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { requireNodeUrl } from '../node-url.ts';
import { plainJson } from '../plain-text.ts';
import { readProxy } from '../proxy.ts';
import { onStopSignals } from '../stop-signals.ts';
import { AuditFileError, readAuditFile } from './audit-file.ts';
import { fetchAudit, FetchAuditError } from './fetch-audit.ts';
import { verdictLines, verdictOf } from './report.ts';

const MORE = `
fetch URL FILE appends new entries of a node's audit log to the file, one JSON object
per line. It continues after the last entry of the file, and verifies the new entries
before it appends them.
The token comes from AUDIT_TOKEN or from a file. A node keeps at most 65,536
entries and drops the oldest, so fetch often.

verify FILE needs no node. It checks numbers, hashes, signatures and gaps. Give the
wallets of the node (the registry lists them); without them, any key is accepted as
the signer.

Examples:
  AUDIT_TOKEN=... nova-kms audit fetch https://node-1.example node-1.audit.jsonl
  nova-kms audit verify --wallet 0xab12... node-1.audit.jsonl
  nova-kms audit verify --complete --json node-1.audit.jsonl

Exit codes:
  0    fetched, or verified
  1    no answer, the node refuses the token, or a file cannot be read or written
  2    the command line is invalid
  3    the audit log is not valid; with --complete, also if it has a gap or if no
       checkpoint covers its end`;

interface AuditOptions {
  readonly tokenFile?: string;
  readonly wallet?: readonly Wallet[];
  readonly complete?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .addArgument(new Argument('<action>', 'fetch URL FILE, or verify FILE').choices(['fetch', 'verify']))
    .argument('<place...>', 'URL and file, or only the file')
    .option('--token-file <path>', 'fetch: a file that contains the token')
    .option('--wallet <0x..>', 'verify: a wallet that may sign; can be repeated', addWallet)
    .option('--complete', 'verify: fail if an entry is missing or unsigned')
    .option('--json', 'verify: print one JSON object')
    .addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const [action, places] = command.processedArgs as ['fetch' | 'verify', readonly string[]];
  const options = command.opts<AuditOptions>();
  const [first = '', second] = places;
  if (places.length !== (action === 'fetch' ? 2 : 1)) throw new CommandError(action === 'fetch' ? 'fetch takes a URL and a file' : 'verify takes one file', EXIT.usage);
  try {
    return action === 'fetch' ? await fetchInto(first, second!, options) : await verifyFile(first, options);
  } catch (error) {
    if (error instanceof FetchAuditError) throw new CommandError(error.message, error.isForged ? EXIT.no : EXIT.failed);
    if (error instanceof AuditFileError) throw new CommandError(error.message);
    throw error;
  }
}

function addWallet(text: string, before: readonly Wallet[] | undefined): readonly Wallet[] {
  const wallet = parseWallet(text);
  if (wallet === null) throw new InvalidArgumentError('It must be an address: 0x and 40 hex digits.');
  return [...(before ?? []), wallet];
}

async function verifyFile(path: string, { wallet, complete = false, json = false }: AuditOptions): Promise<number> {
  const verifier = new AuditVerifier(wallet ?? null);
  await readAuditFile(path, (line) => verifier.take(line));
  const verdict = verdictOf(verifier.report(), complete);
  process.stdout.write(json ? `${plainJson(verdict)}\n` : `${verdictLines(verdict).join('\n')}\n`);
  return verdict.ok ? EXIT.done : EXIT.no;
}

async function fetchInto(given: string, path: string, { tokenFile }: AuditOptions): Promise<number> {
  const url = requireNodeUrl(given);
  const token = await readToken(tokenFile);
  const verifier = new AuditVerifier();
  await takeHeld(path, verifier);
  const transport = new PeerTransport({ inEnclave: false, proxy: readProxy(process.env) }, { clock: systemClock });
  const stopping = new AbortController();
  onStopSignals(
    () => stopping.abort(),
    () => process.exit(EXIT.interrupted),
  );
  try {
    const keep = (entries: readonly unknown[]): Promise<void> => append(path, entries);
    const count = await fetchAudit({ url, token }, { transport, verifier, keep }, stopping.signal);
    process.stdout.write(`new entries: ${count}; number of the last entry: ${verifier.position.sequence}\n`);
    return EXIT.done;
  } finally {
    await transport.close();
  }
}

/** If the file exists, passes the entries that it already contains to the verifier. @throws CommandError, AuditFileError */
async function takeHeld(path: string, verifier: AuditVerifier): Promise<void> {
  try {
    const isWhole = await readAuditFile(path, (line) => verifier.take(line));
    if (!isWhole) throw new CommandError(`the last line of ${path} was cut off while it was being written: remove that line`);
  } catch (error) {
    if (!(error instanceof AuditFileError && error.isAbsent)) throw error;
  }
  const { first } = verifier;
  if (first !== null) throw new CommandError(`${path} does not verify: line ${first.line}: ${first.what}`, EXIT.no);
}

async function append(path: string, entries: readonly unknown[]): Promise<void> {
  try {
    await appendFile(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 });
  } catch (error) {
    throw new AuditFileError(`${path} cannot be written: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause: error });
  }
}

/** Every process on the machine can read a command line, so the token comes from a file or the environment. */
async function readToken(path: string | undefined): Promise<string> {
  const text = path === undefined ? process.env['AUDIT_TOKEN'] : await readTokenFile(path);
  const token = text?.trim() ?? '';
  if (!/^[\x21-\x7e]{1,1024}$/.test(token)) throw new CommandError(path === undefined ? 'AUDIT_TOKEN must contain the token' : `${path} must contain the token`, EXIT.usage);
  return token;
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, EXIT.usage);
  }
}
