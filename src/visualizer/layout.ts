/** Where the boxes of a chart stand. */
import type { Chart } from './wire.ts';

export async function layoutOf(chart: Chart): Promise<unknown> {
  return { id: chart.id };
}
