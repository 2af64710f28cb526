/** How the doctor judges what it reads from the chain, as tables: what was read, which check fails, and the message. */
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
    ['at the maximum age', head(120_000), is(5), EXPECTED, null],
    ['above the maximum age', head(121_000), is(5), EXPECTED, ['chain.head_age', 'the head is 121 s old, but CHAIN_MAX_AGE_SECONDS is 120']],
    ['of any age when no maximum is set', head(9_000_000), is(5), { ...EXPECTED, maxAgeMs: 0 }, null],
    ['ahead of the local clock within the tolerance', head(-15_000), is(5), EXPECTED, null],
    ['ahead of the local clock beyond the tolerance', head(-16_000), is(5), EXPECTED, ['chain.head_age', "the head's time is 16 s ahead of this host's clock"]],
    ['of a different chain', head(0), is(6), EXPECTED, ['chain.chain_id', 'the RPC shows the chain 6, but CHAIN_ID is 5']],
    ['of any chain when no CHAIN_ID is set', head(0), is(6), { ...EXPECTED, chainId: undefined }, null],
    ['of an unknown chain', head(0), silent, EXPECTED, ['chain.chain_id', silent.why]],
    ['unreadable', silent, is(5), EXPECTED, ['chain.rpc', silent.why]],
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
    ['all as they should be', {}, null],
    ['no hash yet', { secretHash: is(ZERO_HASH) }, null],
    ['no registry', { hasNovaAppRegistry: is(false) }, ['contracts.nova_app_registry', `there is no contract at ${REGISTRY}`]],
    ['no KMSRegistry', { hasKmsRegistry: is(false) }, ['contracts.kms_registry', `there is no contract at ${KMS}`]],
    ['code that cannot be read', { hasKmsRegistry: silent }, ['contracts.kms_registry', silent.why]],
    ['no app id yet', { kmsAppId: is(0n) }, ['contracts.kms_app_id', 'KMSRegistry has no app id yet']],
    ['a different app id', { kmsAppId: is(7n) }, ['contracts.kms_app_id', 'KMSRegistry has the app 7, but KMS_APP_ID is 49']],
    ['a contract that is not a KMSRegistry', { kmsAppId: { ok: false, why: 'kmsAppId reverted' } }, ['contracts.kms_app_id', 'KMSRegistry: kmsAppId reverted']],
    ['a different registry', { wiredRegistry: is(wallet('9')) }, ['contracts.wiring', `KMSRegistry uses the registry ${wallet('9')}, but NOVA_APP_REGISTRY_ADDRESS is ${REGISTRY}`]],
    ['no app', { app: is({ exists: false, status: 'UNKNOWN', dappContract: KMS }) }, ['contracts.app', 'NovaAppRegistry has no app 49']],
    ['an inactive app', { app: is({ exists: true, status: 'INACTIVE', dappContract: KMS }) }, ['contracts.app', 'the app 49 is INACTIVE']],
    ['an app of a different contract', { app: is({ exists: true, status: 'ACTIVE', dappContract: wallet('9') }) }, ['contracts.app', `the app's dappContract is ${wallet('9')}, but KMS_REGISTRY_ADDRESS is ${KMS}`]],
    ['an unreadable hash', { secretHash: silent }, ['contracts.secret_hash', `KMSRegistry: ${silent.why}`]],
  ])('%s', (_, change, wanted) => {
    expect(failure(judgeContracts({ ...GOOD, ...change }, EXPECTED))).toEqual(wanted);
  });

  test('checks that depend on a missing contract are not made', () => {
    const outcomes = judgeContracts({ ...GOOD, hasKmsRegistry: is(false) }, EXPECTED).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['ok', 'failed', 'not checked', 'not checked', 'not checked', 'not checked']);
  });
});

describe("the node's own instance", () => {
  const INSTANCE: Instance = { id: 3n, appId: 49n, versionId: 2n, operator: OWN, url: 'https://node', teePubkey: TEE, wallet: OWN, zkVerified: true, status: 'ACTIVE', registeredAt: 1n };
  const record = (change: Partial<Instance>, status: 'ENROLLED' | 'DEPRECATED' | 'REVOKED' | null = 'ENROLLED'): AppRecord =>
    ({ instance: { ...INSTANCE, ...change }, app: { id: 49n, status: 'ACTIVE' }, version: status === null ? null : { id: 2n, status } });
  test.each<readonly [string, AppRecord, TeePubkey | null, readonly [string, string] | null]>([
    ['eligible', record({}), TEE, null],
    ['of a deprecated version', record({}, 'DEPRECATED'), TEE, null],
    ['when its own key is unknown', record({}), null, null],
    ['not registered', record({ id: 0n }), TEE, ['instance.registered', `NovaAppRegistry has no instance of the wallet ${OWN}`]],
    ['of a different app', record({ appId: 7n }), TEE, ['instance.registered', `the wallet ${OWN} is an instance of the app 7, not of 49`]],
    ['stopped', record({ status: 'STOPPED' }), TEE, ['instance.registered', 'the instance 3 is STOPPED']],
    ['not verified', record({ zkVerified: false }), TEE, ['instance.registered', 'the instance 3 is not zkVerified']],
    ['of a revoked version', record({}, 'REVOKED'), TEE, ['instance.version', 'version 2 is REVOKED']],
    ['of an unknown version', record({}, null), TEE, ['instance.version', 'version 2 is unknown']],
    ['with a different key', record({ teePubkey: '' }), TEE, ['instance.tee_pubkey', 'the registered teePubkey is not that of this enclave']],
  ])('%s', (_, seen, teePubkey, wanted) => {
    expect(failure(judgeInstance(seen, { kmsAppId: 49, wallet: OWN, teePubkey }))).toEqual(wanted);
  });
});

describe('the funds for a claim', () => {
  const GWEI = 10n ** 9n;
  test.each<readonly [string, bigint, boolean, string]>([
    ['enough', 2n * CLAIM_GAS * GWEI, true, 'ok'],
    ['one wei short', 2n * CLAIM_GAS * GWEI - 1n, true, 'failed'],
    ['empty, but a hash is already set', 0n, false, 'ok'],
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
