/** The files in `deploy` are checked against what the platform accepts and what the node reads. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { safeLoad } from 'js-yaml';
import { NODE_ENVIRONMENT, nodeFlags } from '../../../launch/node-flags.mjs';
import { readConfig } from '../../../src/config/read-config.ts';
import { SETTINGS } from '../../../src/config/settings.ts';
import { readDockerfile } from '../../support/dockerfile.ts';
import { capsule, novaBuild } from './platform-forms.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

function load(file: string): Record<string, unknown> {
  return safeLoad(readFileSync(join(ROOT, 'deploy', file), 'utf8')) as Record<string, unknown>;
}

describe('the Dockerfile', () => {
  const { text, stages, entryPoint } = readDockerfile();
  const image = stages.at(-1)!;

  test('takes its base image as an argument, and the image that it builds contains only the root file system', () => {
    expect(text).toMatch(/^ARG BUILD_BASE=\S+$/m);
    expect(stages.map(({ from }) => from)).toEqual(['${BUILD_BASE} AS build', 'scratch']);
    expect(image.instructions.filter(([name]) => ['COPY', 'ADD', 'RUN', 'USER'].includes(name))).toEqual([['COPY', '--from=build /build/artifacts/image/root/ /']]);
  });

  test('starts the node directly, with the same flags as the launcher', () => {
    const environment = Object.fromEntries(Object.entries(image.environment).filter(([name]) => !Object.hasOwn(NODE_ENVIRONMENT, name)));
    expect(entryPoint).toEqual(['/bin/node', ...nodeFlags(environment), '/opt/nova-kms/dist/bundle/node-program.js', 'node']);
    expect(image.environment).toMatchObject(NODE_ENVIRONMENT);
  });

  test('sets a configuration that is valid in strict mode and contains no secrets', () => {
    const environment = Object.fromEntries(Object.entries(image.environment).filter(([name]) => !Object.hasOwn(NODE_ENVIRONMENT, name)));
    expect(readConfig(environment)).toMatchObject({ ok: true, config: { inEnclave: true } });
    const settings = Object.values(SETTINGS);
    for (const name of Object.keys(environment)) expect(settings.filter(({ variable, secret }) => variable === name && !secret)).toHaveLength(1);
  });
});

test.each(['.gitignore', '.dockerignore'])('%s excludes the files with secrets that an operator or a development cluster creates', (file) => {
  const { scrape_configs: jobs } = load('prometheus/prometheus.yml') as { readonly scrape_configs: readonly { readonly authorization: { readonly credentials_file: string } }[] };
  const secrets = [`deploy/prometheus/${jobs[0]!.authorization.credentials_file}`, '.dev-app.json'];
  expect(readFileSync(join(ROOT, file), 'utf8').split('\n')).toEqual(expect.arrayContaining(secrets));
});

describe('nova-build.yaml', () => {
  const given = load('nova-build.yaml');

  test('is accepted by the hub and has the version of this package', () => {
    expect(novaBuild.parse(given)).toMatchObject({ build: { dockerfile: 'deploy/Dockerfile' } });
    const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, string>;
    expect([given['name'], given['version']]).toEqual([name, version]);
  });

  test.each([
    ['an unknown field', { owner: 'me' }],
    ['capitals in the name', { name: 'Nova' }],
    ['a name that is too long', { name: 'n'.repeat(64) }],
    ['an invalid version', { version: 'v1' }],
    ['a repository outside GitHub', { repo: 'https://example.test/a/b' }],
    ['an environment', { build: { environment: {} } }],
    ['a long description', { metadata: { description: 'd'.repeat(501) } }],
  ])('would be refused with %s', (_, change) => {
    expect(novaBuild.safeParse({ ...given, ...change }).success).toBe(false);
  });
});

describe('capsule.yaml', () => {
  const given = load('capsule.yaml');

  test('is accepted by the platform and matches the image', () => {
    const { ingress, api, helios_rpc: helios } = capsule.parse(given);
    const { environment } = readDockerfile().stages.at(-1)!;
    expect(ingress?.map((each) => each.listen_port)).toEqual([Number(environment['BIND_ADDR']!.split(':')[1]), 18_001]);
    expect(environment['ODYN_URL']).toBe(`http://127.0.0.1:${api!.listen_port}`);
    expect(helios!.chains!.map(({ network_id: id, local_rpc_port: port }) => [id, `http://127.0.0.1:${port}`])).toEqual([[environment['CHAIN_ID'], environment['NODE_URL']]]);
  });

  test.each([
    ['an environment', { environment: { IN_ENCLAVE: 'false' } }],
    ['a chain id that is a number', { helios_rpc: { enabled: true, chains: [{ network_id: 84_532 }] } }],
    ['no sources', { sources: undefined }],
    ['an invalid port', { ingress: [{ listen_port: 0 }] }],
  ])('would be refused with %s', (_, change) => {
    expect(capsule.safeParse({ ...given, ...change }).success).toBe(false);
  });
});

describe('compose.yaml', () => {
  const { services } = load('compose.yaml') as { readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>> };

  test('runs three nodes with few privileges, and monitors them', () => {
    expect(Object.keys(services)).toEqual(['node-1', 'node-2', 'node-3', 'prometheus', 'grafana']);
    for (const name of ['node-1', 'node-2', 'node-3']) expect(services[name]).toMatchObject({ read_only: true, cap_drop: ['ALL'], user: '65534:65534' });
  });

  test('sets only variables that a node reads', () => {
    const known = Object.values(SETTINGS).map(({ variable }) => variable);
    for (const name of ['node-1', 'node-2', 'node-3']) expect(known).toEqual(expect.arrayContaining(Object.keys(services[name]!['environment'] as object)));
  });

  test('publishes ports only on the local host', () => {
    expect(Object.values(services).flatMap(({ ports }) => ports as string[]).filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });
});
