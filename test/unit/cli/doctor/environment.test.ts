/** Which environment variables `nova-kms doctor` reads as the configuration of the node, with and without the URL of a node. */
import { expect, test } from '@jest/globals';
import { readEnvironment } from '../../../../src/cli/doctor/doctor.ts';

const URL = 'https://node-1.example';

test.each(['NODE_OPTIONS', 'NODE_DEBUG', 'NODE_TLS_REJECT_UNAUTHORIZED'])('%s is refused, as a node would refuse it, but is ignored if the doctor gets the URL of a node', (variable) => {
  const environment = { IN_ENCLAVE: 'true', KMS_APP_ID: '7', [variable]: '1' };
  expect(readEnvironment(environment, undefined)).toEqual({ ok: false, problems: [expect.stringContaining(variable)] });
  expect(readEnvironment(environment, URL)).toMatchObject({ ok: true, config: { kmsAppId: 7 } });
});

test('an invalid KMS_APP_ID is refused even if the doctor gets the URL of a node', () => {
  expect(readEnvironment({ KMS_APP_ID: 'x' }, URL)).toEqual({ ok: false, problems: [expect.stringContaining('KMS_APP_ID')] });
});
