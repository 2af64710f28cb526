/** The end of a node's audit log (docs/audit.md): its last checkpoint covers every entry, and the node notices when a reader has received this checkpoint. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AppId } from '../../../src/domain/ids.ts';
import type { AuditEvent } from '../../../src/domain/audit.ts';
import { FailureLog } from '../../../src/domain/failure-log.ts';
import { NodeAudit } from '../../../src/node/audit.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { verify, type Page } from '../audit/audit-of.ts';

const DERIVE: AuditEvent = { operation: 'derive', wallet: null, appId: 7 as AppId, target: null, outcome: 'unanswered' };

let audit: NodeAudit;
let held: PromiseWithResolvers<undefined>;
const log = collectingLog();

beforeEach(() => {
  log.lines.length = 0;
  held = Promise.withResolvers<undefined>();
  const clock = new ManualClock();
  const random = new SeededRandom('node audit');
  const enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random, clock });
  const sign = async (message: string): Promise<string> => {
    await held.promise;
    return enclave.sign(message);
  };
  audit = NodeAudit.of(
    { auditTokenHash: new Uint8Array(32) },
    { clock, random, enclave: { sign }, log, failures: new FailureLog({ clock }), wallet: () => enclave.emulated.wallet, tagOf: () => null },
  )!;
});

const pageAfter = (after: number, limit = 1_000): Page => JSON.parse(audit.http.reader.page(after, limit)) as Page;
function send(after: number, limit = 1_000): void {
  pageAfter(after, limit);
  audit.http.onSent(after, limit);
}

describe('the end of the audit log', () => {
  test('consists of `stop` and a checkpoint that covers all entries, even if an event occurs while the enclave is signing', async () => {
    audit.audit.record(DERIVE);
    const ended = audit.end();
    audit.audit.record(DERIVE);
    held.resolve(undefined);
    await ended;
    audit.audit.record(DERIVE);
    const { entries } = pageAfter(0);
    expect(entries.map(({ op }) => op)).toEqual(['start', 'derive', 'stop', 'checkpoint']);
    expect(verify(entries)).toMatchObject({ problems: [], unsigned: 0 });
    expect(log.lines.at(-1)).toMatchObject({ sentence: 'the audit log has ended', facts: { sequence: 4, hash: entries[3]!['hash'], signed: true } });
  });

  test.each<[string, boolean, (() => void)[]]>([
    ['does not count as read if the reader has received no page', false, []],
    ['does not count as read if the reader has received only a page without the last entry', false, [() => send(0, 2)]],
    ['does not count as read if the reader has received only an empty page', false, [() => send(3), () => send(999)]],
    ['does not count as read if the node has prepared a page but has not sent it', false, [() => pageAfter(0)]],
    ['counts as read if the reader has received the page with the last entry', true, [() => send(0, 2), () => send(2, 1)]],
  ])('%s', async (_, isRead, reads) => {
    send(0);
    held.resolve(undefined);
    const { whenRead } = await audit.end();
    let read = false;
    void whenRead.then(() => (read = true));
    for (const ask of reads) ask();
    await settle();
    expect(read).toBe(isRead);
  });
});
