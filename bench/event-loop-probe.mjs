/**
 * Measures how long the event loop of a node process is blocked, and how much memory the process uses, without a change to the product.
 * `NODE_OPTIONS=--import` loads this file. Every 50 ms, it prints a line for `event-loop-record.ts` on standard error.
 *
 * A timer of 1 ms measures blocks: a block is the time between two calls of the timer, minus 1 ms. When other processes need the same
 * processors, the thread waits for a processor during part of that time. Linux reports the length of this wait. The probe prints the
 * longest block with and without such waits.
 */
import { openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

const TURN_MS = 1;
const SAY_EVERY_MS = 50;
const NS_PER_MS = 1_000_000;

/**
 * A file with three figures of the main thread: how long it ran, how long it waited for a processor (both in nanoseconds), and how many
 * times it was scheduled.
 */
const SCHEDULE = '/proc/self/schedstat';
const schedule = openSchedule();
const text = Buffer.alloc(128);

const histogram = monitorEventLoopDelay({ resolution: TURN_MS });
histogram.enable();
let turnedAtMs = performance.now();
let waitedMs = waitedForProcessorMs();
let saidAtMs = turnedAtMs;
let longestMs = 0;
let longestOwnMs = 0;

function openSchedule() {
  try {
    return openSync(SCHEDULE, 'r');
  } catch {
    return null;
  }
}

function waitedForProcessorMs() {
  if (schedule === null) return 0;
  const length = readSync(schedule, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[1]) / NS_PER_MS;
}

function turn() {
  const nowMs = performance.now();
  const waited = waitedForProcessorMs();
  const blockMs = nowMs - turnedAtMs - TURN_MS;
  longestMs = Math.max(longestMs, blockMs);
  longestOwnMs = Math.max(longestOwnMs, blockMs - (waited - waitedMs));
  turnedAtMs = nowMs;
  waitedMs = waited;
  if (nowMs - saidAtMs >= SAY_EVERY_MS) say(nowMs);
}

function say(nowMs) {
  const blockMs = Math.max(longestMs, histogram.max / NS_PER_MS - TURN_MS);
  const line = { probe: 'event-loop', at_ms: Date.now(), block_ms: blockMs, own_ms: longestOwnMs, rss: process.memoryUsage.rss() };
  process.stderr.write(`${JSON.stringify(line)}\n`);
  histogram.reset();
  longestMs = 0;
  longestOwnMs = 0;
  saidAtMs = nowMs;
  // The next block is measured from here, so the time that printing took is left out.
  turnedAtMs = performance.now();
  waitedMs = waitedForProcessorMs();
}

setInterval(turn, TURN_MS).unref();
