/** An audit log whose checkpoints are signed by an emulated enclave, and helpers to read it page by page. */
import { AUDIT_LIMITS, AuditTrail, type AuditTrailModules } from '../../../src/audit/trail.ts';
import { AuditVerifier, type AuditReport } from '../../../src/audit/verifier.ts';
import type { RingLimits } from '../../../src/audit/ring.ts';
import { auditMessage } from '../../../src/crypto/messages.ts';
import type { AuditEvent } from '../../../src/domain/audit.ts';
import type { AppId, Wallet } from '../../../src/domain/ids.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

export interface Page {
  readonly chain: string;
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly more: boolean;
}

export function derived(number: number, outcome = 'ok'): AuditEvent {
  return { operation: 'derive', wallet: `0x${'ab'.repeat(20)}` as Wallet, appId: (1_000 + number) as AppId, target: number.toString(16).padStart(32, '0'), outcome };
}

export function auditOf(limits: RingLimits = AUDIT_LIMITS, seed = 'audit', tagOf: AuditTrailModules['tagOf'] = () => null) {
  const clock = new ManualClock();
  const random = new SeededRandom(seed);
  const enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random, clock });
  const { wallet } = enclave.emulated;
  const trail = new AuditTrail(limits, { clock, random, tagOf, onUnsigned: () => undefined });
  return {
    trail,
    wallet,
    checkpoint: async (): Promise<void> => {
      const { sequence, hash } = trail.pointToSign();
      trail.addCheckpoint({ sequence, hash, wallet, signature: await enclave.sign(auditMessage(sequence, hash, wallet)) });
    },
    page: (after: number, limit = 1_000): Page => pageOf(trail, after, limit),
  };
}

export function pageOf(trail: AuditTrail, after: number, limit = 1_000): Page {
  return JSON.parse(trail.page(after, limit)) as Page;
}

/** All entries that a reader gets when it reads page by page to the end. */
export function readAll(trail: AuditTrail, after = 0): Page['entries'] {
  const entries: Page['entries'][number][] = [];
  let at = after;
  for (;;) {
    const page = pageOf(trail, at);
    entries.push(...page.entries);
    if (!page.more) return entries;
    at = entries.at(-1)!['seq'] as number;
  }
}

export function verify(lines: readonly unknown[], trusted: readonly Wallet[] | null = null): AuditReport {
  const verifier = new AuditVerifier(trusted);
  for (const line of lines) verifier.take(line);
  return verifier.report();
}
