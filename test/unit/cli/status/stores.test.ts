/** `nova-kms status --verify` and `nova-kms doctor` compare the stores several times before they report a difference. */
import { expect, test } from '@jest/globals';
import { parseStatus } from '../../../../src/cli/status/answer.ts';
import { compareStores, storesLine } from '../../../../src/cli/status/stores.ts';
import type { Clock } from '../../../../src/domain/ports.ts';
import { systemClock } from '../../../../src/system/system.ts';

/** A clock whose timers end immediately. */
const clock: Clock = { ...systemClock, setTimeout: (callback) => systemClock.setTimeout(callback, 0) };

const node = (root: string | null, isReady = true) => parseStatus({ node: { service_available: isReady }, data_store: { root } });

async function compared(looks: readonly (readonly (ReturnType<typeof node> | null)[])[]): Promise<string> {
  let looked = 0;
  const look = async () => looks[Math.min(looked++, looks.length - 1)]!;
  return storesLine(await compareStores(look, clock, new AbortController().signal));
}

test.each([
  ['equal stores are reported as equal', [[node('aa'), node('aa')]], '2 ready nodes hold the same records'],
  ['stores that become equal during the comparison are reported as equal', [[node('aa'), node('bb')], [node('bb'), node('bb')]], '2 ready nodes hold the same records'],
  ['stores that stay different are reported as different', [[node('aa'), node('bb'), node('aa')]], '3 ready nodes hold 2 different sets of records'],
  ['a node that is not ready is left out', [[node('aa'), node('bb', false), node('aa')]], '2 ready nodes hold the same records'],
  ['an older node, which does not report its store, is left out', [[node('aa'), node(null), null]], 'fewer than two ready nodes report what their store holds'],
])('%s', async (_, looks, line) => {
  expect(await compared(looks)).toBe(line);
});
