/** The doctor's checks of values from the chain. Each row has the values, the first check that fails, and its message. */
import { describe, expect, test } from '@jest/globals';
import { judgeContracts, judgeFunds, judgeHead, judgeInstance, type ChainExpectations } from '../../../../src/cli/doctor/chain-checks.ts';
import { findingLines, reportOf, type Finding } from '../../../../src/cli/doctor/finding.ts';
import { ZERO_HASH, type Hash32, type TeePubkey, type Wallet } from '../../../../src/domain/ids.ts';
import type { AppRecord, Instance } from '../../../../src/domain/membership.ts';
import { CLAIM_GAS } from '../../../../src/registry/claim-plan.ts';
import type { InspectedContracts, Reading } from '../../../../src/registry/inspection.ts';

const wallet = (digit: string): Wallet => `0x${digit.repeat(40)}` as Wallet;
const OWN = wallet('a');
const REGISTRY = wallet('1');
const KMS = wallet('2');
const NOW_MS = 1_700_000_000_000;
const TEE = `3076${'00'.repeat(118)}` as TeePubkey;
const HASH = `0x${'c'.repeat(64)}` as Hash32;
const is = <T>(value: T): Reading<T> => ({ ok: true, value });
const silent = { ok: false, why: 'the chain RPC at rpc:1 answered 500' } as const;

const EXPECTED: ChainExpectations = { chainId: 5, maxAgeMs: 120_000, maxClockSkewMs: 15_000, confirmations: 6, novaAppRegistry: REGISTRY, kmsRegistry: KMS, kmsAppId: 49 };

/** The first failed check and its message. */
function failure(findings: readonly Finding[]): readonly [string, string] | null {
  const first = findings.find(({ outcome }) => outcome === 'failed');
  return first === undefined ? null : [first.check, first.detail];
}

describe('the head', () => {
  const head = (ageMs: number): Reading<{ number: bigint; timestampMs: number; tookMs: number }> => is({ number: 9n, timestampMs: NOW_MS - ageMs, tookMs: 4 });
  test.each([
    ['passes at the maximum age', head(120_000), is(5), EXPECTED, null],
    ['fails above the maximum age', head(121_000), is(5), EXPECTED, ['chain.head_age', 'the head is 121 s old, but CHAIN_MAX_AGE_SECONDS is 120']],
    ['passes at any age when no maximum is set', head(9_000_000), is(5), { ...EXPECTED, maxAgeMs: 0 }, null],
    ['passes when it is ahead of the local clock by no more than the tolerance', head(-15_000), is(5), EXPECTED, null],
    ['fails when it is ahead of the local clock by more than the tolerance', head(-16_000), is(5), EXPECTED, ['chain.head_age', "the head's time is 16 s ahead of this host's clock"]],
    ['fails when it belongs to a different chain', head(0), is(6), EXPECTED, ['chain.chain_id', 'the RPC reports the chain ID 6, but CHAIN_ID is 5']],
    ['passes for any chain when no CHAIN_ID is set', head(0), is(6), { ...EXPECTED, chainId: undefined }, null],
    ['fails when the chain ID cannot be read', head(0), silent, EXPECTED, ['chain.chain_id', silent.why]],
    ['fails when it cannot be read', silent, is(5), EXPECTED, ['chain.rpc', silent.why]],
  ] as const)('%s', (_, seen, chainId, expected, wanted) => {
    expect(failure(judgeHead(seen, chainId, expected, NOW_MS))).toEqual(wanted);
  });
});

describe('the contracts', () => {
  const GOOD: InspectedContracts = {
    hasNovaAppRegistry: is(true),
    hasKmsRegistry: is(true),
    kmsAppId: is(49n),
    wiredRegistry: is(REGISTRY),
    secretHash: is(HASH),
    app: is({ exists: true, status: 'ACTIVE', dappContract: KMS }),
  };
  test.each<readonly [string, Partial<InspectedContracts>, readonly [string, string] | null]>([
    ['pass when all values are right', {}, null],
    ['pass when no hash is set yet', { secretHash: is(ZERO_HASH) }, null],
    ['fail when there is no NovaAppRegistry', { hasNovaAppRegistry: is(false) }, ['contracts.nova_app_registry', `there is no contract at ${REGISTRY}`]],
    ['fail when there is no KMSRegistry', { hasKmsRegistry: is(false) }, ['contracts.kms_registry', `there is no contract at ${KMS}`]],
    ['fail when the code of a contract cannot be read', { hasKmsRegistry: silent }, ['contracts.kms_registry', silent.why]],
    ['fail when KMSRegistry has no app id yet', { kmsAppId: is(0n) }, ['contracts.kms_app_id', 'KMSRegistry has no app id yet']],
    ['fail when KMSRegistry has a different app id', { kmsAppId: is(7n) }, ['contracts.kms_app_id', 'KMSRegistry has the app 7, but KMS_APP_ID is 49']],
    ['fail when the contract is not a KMSRegistry', { kmsAppId: { ok: false, why: 'kmsAppId reverted' } }, ['contracts.kms_app_id', 'KMSRegistry: kmsAppId reverted']],
    ['fail when KMSRegistry uses a different NovaAppRegistry', { wiredRegistry: is(wallet('9')) }, ['contracts.wiring', `KMSRegistry uses the registry ${wallet('9')}, but NOVA_APP_REGISTRY_ADDRESS is ${REGISTRY}`]],
    ['fail when NovaAppRegistry lacks the app', { app: is({ exists: false, status: 'UNKNOWN', dappContract: KMS }) }, ['contracts.app', 'NovaAppRegistry has no app 49']],
    ['fail when the app is inactive', { app: is({ exists: true, status: 'INACTIVE', dappContract: KMS }) }, ['contracts.app', 'the app 49 is INACTIVE']],
    ['fail when the app belongs to a different contract', { app: is({ exists: true, status: 'ACTIVE', dappContract: wallet('9') }) }, ['contracts.app', `the app's dappContract is ${wallet('9')}, but KMS_REGISTRY_ADDRESS is ${KMS}`]],
    ['fail when the hash cannot be read', { secretHash: silent }, ['contracts.secret_hash', `KMSRegistry: ${silent.why}`]],
  ])('%s', (_, change, wanted) => {
    expect(failure(judgeContracts({ ...GOOD, ...change }, EXPECTED))).toEqual(wanted);
  });

  test('are not checked further if one of them is missing', () => {
    const outcomes = judgeContracts({ ...GOOD, hasKmsRegistry: is(false) }, EXPECTED).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['ok', 'failed', 'not checked', 'not checked', 'not checked', 'not checked']);
  });
});

describe("the node's own instance", () => {
  const INSTANCE: Instance = { id: 3n, appId: 49n, versionId: 2n, operator: OWN, url: 'https://node', teePubkey: TEE, wallet: OWN, zkVerified: true, status: 'ACTIVE', registeredAt: 1n };
  const record = (change: Partial<Instance>, status: 'ENROLLED' | 'DEPRECATED' | 'REVOKED' | null = 'ENROLLED'): AppRecord =>
    ({ instance: { ...INSTANCE, ...change }, app: { id: 49n, status: 'ACTIVE' }, version: status === null ? null : { id: 2n, status } });
  test.each<readonly [string, AppRecord, TeePubkey | null, readonly [string, string] | null]>([
    ['passes when it is eligible', record({}), TEE, null],
    ['passes with a deprecated version', record({}, 'DEPRECATED'), TEE, null],
    ['passes when the key of the local enclave is unknown', record({}), null, null],
    ['fails when it is not registered', record({ id: 0n }), TEE, ['instance.registered', `NovaAppRegistry has no instance with the wallet ${OWN}`]],
    ['fails when it belongs to a different app', record({ appId: 7n }), TEE, ['instance.registered', `the wallet ${OWN} belongs to an instance of the app 7, not of 49`]],
    ['fails when it is stopped', record({ status: 'STOPPED' }), TEE, ['instance.registered', 'the instance 3 is STOPPED']],
    ['fails when it is not verified', record({ zkVerified: false }), TEE, ['instance.registered', 'the instance 3 is not zkVerified']],
    ['fails with a revoked version', record({}, 'REVOKED'), TEE, ['instance.version', 'version 2 is REVOKED']],
    ['fails with an unknown version', record({}, null), TEE, ['instance.version', 'version 2 is unknown']],
    ['fails when the registered key differs from the key of the enclave', record({ teePubkey: '' }), TEE, ['instance.tee_pubkey', 'the registered teePubkey is not that of this enclave']],
  ])('%s', (_, seen, teePubkey, wanted) => {
    expect(failure(judgeInstance(seen, { kmsAppId: 49, wallet: OWN, teePubkey }))).toEqual(wanted);
  });
});

describe('the funds for a claim', () => {
  const GWEI = 10n ** 9n;
  test.each<readonly [string, bigint, boolean, string]>([
    ['pass when they are just enough', 2n * CLAIM_GAS * GWEI, true, 'ok'],
    ['fail when they are one wei short', 2n * CLAIM_GAS * GWEI - 1n, true, 'failed'],
    ['pass when a hash is already set, even if they are zero', 0n, false, 'ok'],
  ])('%s', (_, balanceWei, isHashZero, outcome) => {
    expect(judgeFunds(is({ balanceWei, gasPriceWei: GWEI }), isHashZero).outcome).toBe(outcome);
  });
});

describe('the report', () => {
  const FAILED: Finding = { check: 'chain.rpc', outcome: 'failed', detail: 'gone\u001b[2J', advice: 'start it' };

  test('contains no control characters, and the advice is on a separate line', () => {
    expect(findingLines(FAILED)).toEqual([expect.stringMatching(/^failed +chain\.rpc +gone.?\[2J$/), '             → start it']);
    expect(findingLines(FAILED).join('')).not.toContain('\u001b');
  });

  test('counts the failed checks', () => {
    expect(reportOf([FAILED, { check: 'a', outcome: 'not checked', detail: '' }])).toMatchObject({ ok: false, failed: 1 });
    expect(reportOf([{ check: 'a', outcome: 'not checked', detail: '' }])).toMatchObject({ ok: true, failed: 0 });
  });
});
