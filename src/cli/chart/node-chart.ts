/** The chart of the node's machine with the default configuration. */
import { chartOf } from '../../chart/chart-of.ts';
import type { Chart } from '../../chart/chart.ts';
import { regionOf } from '../../chart/region.ts';
import { readConfig } from '../../config/read-config.ts';
import { invariant } from '../../domain/errors.ts';
import { createNodeMachine } from '../../machines/node-machine.ts';

/** The machine is never started, so it never uses these values. */
const NO_TIME = { clock: { nowMs: () => 0, monotonicMs: () => 0 }, random: { unit: () => 0 }, secret: { isServable: () => false } };

export const ALL = 'all';

/** The regions that can be drawn. */
export function regionNames(): readonly string[] {
  const chart = nodeChart();
  return [...chart.states.filter(({ parent }) => parent === chart.states[0]!.id).map(({ key }) => key), ALL];
}

/** @param region one of `regionNames` */
export function nodeChart(region: string = ALL): Chart {
  const read = readConfig({});
  invariant(read.ok, 'the defaults are not a valid configuration');
  const { nodeTickMs, dataSyncIntervalMs, dataSyncNudgeMs, inEnclave, chainMaxAgeMs, chainOutageMs } = read.config;
  const whole = chartOf(createNodeMachine({ nodeTickMs, syncTickMs: dataSyncIntervalMs, nudgeMs: dataSyncNudgeMs, freshness: { maxAgeMs: chainMaxAgeMs, outageMs: chainOutageMs }, probePeers: inEnclave }, NO_TIME));
  const part = region === ALL ? whole : regionOf(whole, `${whole.name}.${region}`);
  invariant(part !== null, 'there is no such region');
  return part;
}
