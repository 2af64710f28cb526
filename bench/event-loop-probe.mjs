/**
 * Loaded into a node process by `NODE_OPTIONS=--import`: how long its event loop stood still and how much memory it took,
 * without a change of the product. A line on standard error every 50 ms, read by `event-loop-record.ts`.
 *
 * A timer of 1 ms says how late it came: what lies between two of its turns is a block. When other processes want the same
 * processors, part of that is waiting for one; Linux says how much, so a block is said with and without it.
 */
import { openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

const TURN_MS = 1;
const SAY_EVERY_MS = 50;
const NS_PER_MS = 1_000_000;

/** Of the main thread: nanoseconds on a processor, nanoseconds of waiting for one, turns on one. */
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
  // Saying it is not what is measured.
  turnedAtMs = performance.now();
  waitedMs = waitedForProcessorMs();
}

setInterval(turn, TURN_MS).unref();
