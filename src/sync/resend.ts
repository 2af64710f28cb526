/**
 * Decides which recent records are sent once more, after a wait, to a peer that does not say which records it refused (protocol.md §10,
 * Rejections). The peer may have refused a record because the peer's clock is behind. Recent records that are first sent during the wait
 * are sent once more after another wait. Pure.
 */
import type { OwnWrite } from '../domain/records.ts';

/** Records younger than this are sent once more, after a wait of the same length. Milliseconds. */
const RESEND_MS = 30_000;

/** The time on both clocks: Unix time for the age of a record, monotonic time for a wait. */
export interface Now {
  readonly unixMs: number;
  readonly monotonicMs: number;
}

/** Entries to be sent once more. */
export interface Resend {
  /** When the entries are sent. Monotonic milliseconds. */
  readonly atMs: number;
  /** The entries are this node's writes with a sequence number above `from`, up to and including `to`. */
  readonly from: number;
  readonly to: number;
  /** Recent records above this sequence number are sent once more after another wait; null if there are none. */
  readonly nextFrom: number | null;
}

/** @param entries the entries that were just sent to the peer, in order */
export function bookResend(booked: Resend | null, entries: readonly OwnWrite[], now: Now): Resend | null {
  const first = entries.find(({ record }) => record.updated_at_ms > now.unixMs - RESEND_MS);
  if (first === undefined) return booked;
  const from = first.sequenceNumber - 1;
  if (booked === null) return resendOf(from, entries.at(-1)!.sequenceNumber, now);
  return { ...booked, nextFrom: booked.nextFrom ?? from };
}

/** What to send after another wait, when the records of this resend have been sent. @param to the current acknowledged sequence */
export function nextResend({ nextFrom }: Resend, to: number, now: Now): Resend | null {
  return nextFrom === null ? null : resendOf(nextFrom, to, now);
}

function resendOf(from: number, to: number, now: Now): Resend {
  return { atMs: now.monotonicMs + RESEND_MS, from, to, nextFrom: null };
}
