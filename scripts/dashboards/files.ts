/** The committed files that are made from the table of metrics, by their paths in the project. */
import { metricsDocument } from './metrics-document.ts';

export const MADE_FILES: ReadonlyMap<string, () => string> = new Map([['docs/metrics.md', metricsDocument]]);
