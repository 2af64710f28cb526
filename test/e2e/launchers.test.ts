/**
 * Every process that a launcher starts shuts down cleanly when the launcher ends, regardless of how the launcher ends. Only `npm start` and
 * `npm test` install packages, and no command empties node_modules. A node that a launcher started opens no debugger when it gets SIGUSR1.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { freePort } from '../../src/dev/listening-ports.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { StartedCommand } from './support/started-command.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** No process listens at this URL. */
const NOWHERE = 'http://127.0.0.1:9';
const NODE = 'src/cli/nova-kms.ts node';

const started: StartedCommand[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.clear()));
});

function start(line: string, environment: NodeJS.ProcessEnv = {}, folder = ROOT): StartedCommand {
  const [file, ...args] = line.split(' ');
  const command = new StartedCommand(file!, args, environment, folder);
  started.push(command);
  return command;
}

/** Starts a node that listens but can reach neither a chain nor an enclave. */
async function startLonelyNode(line: string, environment: NodeJS.ProcessEnv = {}): Promise<StartedCommand> {
  const lonely = { BIND_ADDR: `127.0.0.1:${await freePort()}`, NODE_URL: NOWHERE, ODYN_URL: NOWHERE, IN_ENCLAVE: 'false' };
  const command = start(line, { ...lonely, ...environment });
  await command.until('the node listening', ({ stderr }) => stderr.includes('"message":"listening"'));
  return command;
}

const NPM_RUN = 'npm run --silent node';
const NPX = 'npx --offline nova-kms node';
const BARE = 'node bin/nova-kms.mjs node';

describe('every process that a launcher started shuts down cleanly', () => {
  test.each([
    [NPM_RUN, 'SIGTERM'],
    [NPM_RUN, 'SIGINT'],
    [NPM_RUN, 'SIGKILL'],
    [NPX, 'SIGTERM'],
    [NPX, 'SIGKILL'],
    [BARE, 'SIGTERM'],
    [BARE, 'SIGINT'],
    [BARE, 'SIGHUP'],
    [BARE, 'SIGKILL'],
  ] as const)('when "%s" gets %s', async (line, signal) => {
    const command = await startLonelyNode(line);
    command.signal(signal);
    await command.untilNothingLives();
    expect((await command.ended).stderr).toContain('"message":"stopped"');
  });

  // No test sends SIGINT to npx alone, because npx waits for its shell, and the shell ignores SIGINT until its child process has ended. A
  // terminal sends SIGINT to all these processes.
  test.each([NPM_RUN, NPX, BARE])('on Ctrl-C in the terminal of "%s"', async (line) => {
    const command = await startLonelyNode(line);
    command.signalGroup('SIGINT');
    await command.untilNothingLives();
    expect((await command.ended).stderr).toContain('"message":"stopped"');
  });

  test('when the launcher between npm and the node is killed', async () => {
    const command = await startLonelyNode(NPM_RUN);
    process.kill(command.processOf(BARE).pid, 'SIGKILL');
    await command.untilNothingLives();
    expect((await command.ended).stderr).toContain('"message":"stopped"');
  });

  test('even when signals keep arriving: a repeated signal may end the node immediately, but no signal kills the launcher', async () => {
    const command = await startLonelyNode(BARE);
    await waitUntil({ what: 'the end', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 1 }, async () => {
      if (!command.running) return null;
      command.signal('SIGINT');
      return 'it is still running';
    });
    // 0 means a clean shutdown. 130 means that a repeated signal counted as a second one and ended the node immediately. No signal may kill
    // the launcher itself.
    expect([0, 130]).toContain((await command.ended).code);
  });

  test.each(['npm start --silent', 'node scripts/run.mjs src/cli/nova-kms.ts emulator --port 0'])('when the launcher "%s" is killed', async (line) => {
    const command = start(line);
    await command.until('the command running', ({ stdout }) => /"url":|"event":"step"|Starting/.test(stdout));
    command.signal('SIGKILL');
    await command.untilNothingLives();
  });
});

describe('SIGUSR1', () => {
  test.each(['node bin/nova-kms.mjs node', 'node --no-warnings src/cli/nova-kms.ts node'])('opens no debugger in a node that "%s" runs in strict mode', async (line) => {
    const command = await startLonelyNode(line.replace(/^node --no-warnings/, process.execPath), { IN_ENCLAVE: 'true' });
    process.kill(command.processOf(NODE).pid, 'SIGUSR1');
    command.signal('SIGTERM');
    const { code, stderr } = await command.ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain('Debugger listening');
  });
});

describe('in a checkout without development packages and without a network,', () => {
  // The name contains characters that have a special meaning in a URL or for a shell, or that could split an argument.
  const folder = mkdtempSync(join(tmpdir(), "a checkout's #1 é 100%25? "));
  const modules = join(folder, 'node_modules');
  const record = join(modules, '.package-lock.json');
  const offline = { npm_config_registry: 'http://127.0.0.1:9', npm_config_fetch_retries: '0' };

  interface Lock {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly os?: readonly string[] }>>;
  }

  /** Brings the folder into the state in which `npm ci --omit=dev` leaves a checkout. */
  beforeAll(() => {
    for (const name of ['bin', 'launch', 'scripts', 'src', 'package.json', 'package-lock.json']) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    const [wanted, all] = ['package-lock.json', join('node_modules', '.package-lock.json')].map((name) => JSON.parse(readFileSync(join(ROOT, name), 'utf8')) as Lock);
    const packages = Object.fromEntries(Object.entries(all!.packages).filter(([path]) => wanted!.packages[path]?.dev !== true));
    for (const path of Object.keys(packages).filter((name) => name.lastIndexOf('node_modules/') === 0)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      symlinkSync(join(ROOT, path), join(folder, path));
    }
    writeFileSync(record, JSON.stringify({ ...all!, packages }));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('"npm run node -- --help" prints the help', async () => {
    const { code, stdout } = await start('npm run --silent node -- --help', offline, folder).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('nova-kms node');
  });

  test.each(['npm run --silent sim', 'npm run --silent test:unit'])('"%s" reports which packages are missing and how to install them, and changes nothing', async (line) => {
    const before = readdirSync(modules);
    const { code, stdout, stderr } = await start(line, offline, folder).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Missing, or not the version in package-lock\.json: .* and \d+ more\. Run "npm ci", then run this command again\.\n$/);
    expect(readdirSync(modules)).toEqual(before);
  });

  test('"npm test" keeps all packages when it starts an installation and the installation fails', async () => {
    const before = readdirSync(modules);
    const { code, stderr } = await start('npm test --silent', offline, folder).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('npm install --no-save failed; its messages are above.\n');
    expect(readdirSync(modules)).toEqual(expect.arrayContaining(before));
    expect(existsSync(record)).toBe(true);
  });

  test('"npm run node" reports which packages of the node are missing', async () => {
    rmSync(join(modules, 'zod'));
    const { code, stderr } = await start('npm run --silent node', offline, folder).ended;
    expect(code).toBe(1);
    expect(stderr).toBe('Missing, or not the version in package-lock.json: zod. Run "npm ci --omit=dev", then run this command again.\n');
  });
});
