/**
 * Young records go once more to a peer that does not say what it refused (protocol.md §10, Rejections): it may have refused one
 * because its clock is behind. What is written while that is waited for has its own turn after it. Pure.
 */
import type { OwnWrite } from '../domain/records.ts';

/** Records younger than this are sent once more after this. Milliseconds. */
const RESEND_MS = 30_000;

/** Now, by both clocks: the age of a record is by the time of day, a wait by the other. */
export interface Now {
  readonly unixMs: number;
  readonly monotonicMs: number;
}

/** Entries to be sent once more. */
export interface Resend {
  /** Monotonic milliseconds. */
  readonly atMs: number;
  /** Own sequence numbers: above the first, up to the second. */
  readonly from: number;
  readonly to: number;
  /** Above which sequence number young records wait for a turn after this one; null: none do. */
  readonly nextFrom: number | null;
}

/** @param entries that the peer has just been sent, in order */
export function bookResend(booked: Resend | null, entries: readonly OwnWrite[], now: Now): Resend | null {
  const first = entries.find(({ record }) => record.updated_at_ms > now.unixMs - RESEND_MS);
  if (first === undefined) return booked;
  const from = first.sequenceNumber - 1;
  if (booked === null) return resendOf(from, entries.at(-1)!.sequenceNumber, now);
  return { ...booked, nextFrom: booked.nextFrom ?? from };
}

/** The next turn, once this one is over. @param to the acknowledged sequence by now */
export function nextResend({ nextFrom }: Resend, to: number, now: Now): Resend | null {
  return nextFrom === null ? null : resendOf(nextFrom, to, now);
}

function resendOf(from: number, to: number, now: Now): Resend {
  return { atMs: now.monotonicMs + RESEND_MS, from, to, nextFrom: null };
}
