/**
 * `npm run image:stage` runs the build stage of `deploy/Dockerfile` without its base image, which would come from an image registry. The
 * stage's `WORKDIR` is a folder with the files that `.dockerignore` does not exclude. The `RUN` lines of the stage run in that folder, with
 * the stage's environment and this machine's node and npm. The result must equal the root file system of `npm run image`, byte for byte.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import process from 'node:process';
import { readDockerfile, type Stage } from '../test/support/dockerfile.ts';

const ROOT = join(import.meta.dirname, '..');
/** The only npm settings that the stage inherits: where to find packages. If it inherited all settings, its npm would use this checkout. */
const NPM_SETTINGS = ['npm_config_registry', 'npm_config_cache', 'npm_config_userconfig', 'npm_config_globalconfig'];

interface Built {
  readonly bytes: number;
  readonly sha256: string;
}

const folder = mkdtempSync(join(tmpdir(), 'image-stage-'));
try {
  const { stages } = readDockerfile();
  const [stage, image] = [stages[0]!, stages.at(-1)!];
  const workFolder = argumentOf(stage, 'WORKDIR');
  const kept = relative(workFolder, argumentOf(image, 'COPY').split(' ')[1]!);
  const copy = join(folder, 'build');
  copyContext(copy);
  const environment = environmentOf(stage);
  let output = '';
  for (const [name, command] of stage.instructions) {
    if (name === 'RUN') output = execFileSync('/bin/sh', ['-c', command], { cwd: copy, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  }
  const inStage = builtBy(output);
  if (!existsSync(join(copy, kept))) throw new Error(`the build stage leaves nothing in ${kept}, but the image is made from that folder`);
  const args = [join(ROOT, 'scripts', 'image.ts'), '--out', join(folder, 'image')];
  const here = builtBy(execFileSync(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...stageVariables(stage) }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
  process.stdout.write(`build stage:    ${inStage.bytes} bytes, sha256 ${inStage.sha256}\nnpm run image:  ${here.bytes} bytes, sha256 ${here.sha256}\n`);
  if (inStage.sha256 !== here.sha256) {
    process.stderr.write('The build stage of deploy/Dockerfile makes a different root file system than npm run image.\n');
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The argument of the stage's only instruction with this name. @throws Error if the stage has none or several */
function argumentOf({ instructions }: Stage, name: string): string {
  const found = instructions.filter(([each]) => each === name);
  if (found.length !== 1) throw new Error(`a stage of deploy/Dockerfile has ${found.length} ${name} instructions, but must have exactly one`);
  return found[0]![1];
}

/** Copies the files that `COPY . .` would copy. */
function copyContext(to: string): void {
  const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n').filter((line) => line !== '');
  cpSync(ROOT, to, { recursive: true, filter: (path) => !ignored.includes(relative(ROOT, path)) });
}

/** The variables from the stage's `ENV` lines. Each `ARG` in them is replaced by its default. */
function stageVariables({ environment, instructions }: Stage): Record<string, string> {
  const defaults = new Map(instructions.filter(([name]) => name === 'ARG').map(([, text]) => text.split('=', 2) as [string, string]));
  return Object.fromEntries(Object.entries(environment).map(([name, text]) => [name, text.replaceAll(/\$\{(\w+)\}/g, (_, argument: string) => defaults.get(argument) ?? '')]));
}

/** The environment of a shell outside this checkout, so that the stage does not find the Node of this checkout. */
function environmentOf(stage: Stage): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_') || NPM_SETTINGS.includes(name));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((each) => !each.startsWith(ROOT));
  return { ...Object.fromEntries(inherited), PATH: path.join(delimiter), ...stageVariables(stage) };
}

function builtBy(output: string): Built {
  return JSON.parse(output.trimEnd().split('\n').at(-1)!) as Built;
}
