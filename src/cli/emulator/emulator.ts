/** `nova-kms emulator`: runs one enclave emulator until a signal stops it. Prints one JSON line when the emulator is listening. */
import type { Command } from 'commander';
import process from 'node:process';
import { ENVELOPE_INFO } from '../../crypto/envelope.ts';
import { isPrivateKey } from '../../crypto/signature.ts';
import { EmulatedEnclave } from '../../enclave/emulator/emulated-enclave.ts';
import type { Generation } from '../../crypto/generation.ts';
import { EmulatorServer } from '../../enclave/emulator/server.ts';
import { systemClock, systemRandom } from '../../system/system.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { exitWithParent, exitWithParentOption } from '../exit-with-parent.ts';
import { generationOption, MAX_PORT, wholeNumber } from '../option-values.ts';
import { onStopSignals } from '../stop-signals.ts';

interface Arguments {
  readonly host: string;
  readonly port: number;
  readonly generation: Generation;
  readonly allowFaults?: boolean;
  readonly exitWithParent?: boolean;
}

const MORE = `
Examples:
  nova-kms emulator
  nova-kms emulator --port 0 --generation enclaver

Exit codes:
  0    stopped by SIGTERM or SIGINT
  1    the emulator cannot listen
  2    the command line or the key is invalid
  130  a second signal stopped it immediately`;

const DESCRIPTION = 'Runs an emulator of the enclave API. The wallet key comes from EMULATOR_PRIVATE_KEY; without that variable, the key is random.';

export function define(command: Command): void {
  command
    .description(DESCRIPTION)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0: any free port', wholeNumber(0, MAX_PORT), 18_000)
    .addOption(generationOption())
    .option('--allow-faults', 'serve POST /emulator/fault, which injects failures')
    .addOption(exitWithParentOption())
    .addHelpText('after', MORE);
}

function walletKeyOf(text: string): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(text.replace(/^0x/, ''), 'hex'));
  if (/^(?:0x)?[0-9a-fA-F]{64}$/.test(text) && isPrivateKey(bytes)) return bytes;
  throw new CommandError('EMULATOR_PRIVATE_KEY must be a secp256k1 key: 32 bytes in hex', EXIT.usage);
}

export async function run(command: Command): Promise<number> {
  const options = command.opts<Arguments>();
  const givenKey = process.env['EMULATOR_PRIVATE_KEY'];
  delete process.env['EMULATOR_PRIVATE_KEY'];
  const enclave = new EmulatedEnclave(
    { info: ENVELOPE_INFO[options.generation], ...(givenKey === undefined ? {} : { walletKey: walletKeyOf(givenKey) }) },
    { clock: systemClock, random: systemRandom },
  );
  const server = new EmulatorServer({ ...options, allowFaults: options.allowFaults === true }, { enclave });
  try {
    const url = await server.listen();
    process.stdout.write(`${JSON.stringify({ url, wallet: enclave.wallet, tee_pubkey: enclave.teePubkey })}\n`);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new CommandError(inUse ? `port ${options.port} is in use` : 'the emulator cannot listen');
  }
  const { promise: stopped, resolve: stop } = Promise.withResolvers<undefined>();
  onStopSignals(() => stop(undefined), () => process.exit(EXIT.interrupted));
  if (options.exitWithParent === true) exitWithParent(() => stop(undefined));
  await stopped;
  await server.close();
  return EXIT.done;
}
