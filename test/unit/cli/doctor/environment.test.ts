/** Which variables `nova-kms doctor` reads as those of the node. */
import { expect, test } from '@jest/globals';
import { readEnvironment } from '../../../../src/cli/doctor/doctor.ts';

const URL = 'https://node-1.example';

test.each(['NODE_OPTIONS', 'NODE_DEBUG', 'NODE_TLS_REJECT_UNAUTHORIZED'])('%s is refused as a node refuses it, but ignored if the node is at a URL', (variable) => {
  const environment = { IN_ENCLAVE: 'true', KMS_APP_ID: '7', [variable]: '1' };
  expect(readEnvironment(environment, undefined)).toEqual({ ok: false, problems: [expect.stringContaining(variable)] });
  expect(readEnvironment(environment, URL)).toMatchObject({ ok: true, config: { kmsAppId: 7 } });
});

test('a variable that specifies the chain is refused with a URL too', () => {
  expect(readEnvironment({ KMS_APP_ID: 'x' }, URL)).toEqual({ ok: false, problems: [expect.stringContaining('KMS_APP_ID')] });
});
