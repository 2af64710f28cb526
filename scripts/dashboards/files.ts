/** The committed files that are generated from the table of metrics and the list of panels, indexed by their paths in the project. */
import { grafanaJson } from './grafana.ts';
import { metricsDocument } from './metrics-document.ts';
import { DASHBOARDS } from './panels.ts';

export const MADE_FILES: ReadonlyMap<string, () => string> = new Map([
  ['docs/metrics.md', metricsDocument],
  ...DASHBOARDS.map((dashboard) => [`deploy/grafana/${dashboard.uid}.json`, () => grafanaJson(dashboard)] as const),
]);
