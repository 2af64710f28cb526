/** A dashboard in Grafana's import format (schema 39): rows of panels, with four panels side by side. */
import type { Dashboard, Panel, Row } from './panels.ts';

const SCHEMA = 39;
const GRID_WIDTH = 24;
const PANELS_IN_A_LINE = 4;
const PANEL_WIDTH = GRID_WIDTH / PANELS_IN_A_LINE;
const PANEL_HEIGHT = 8;
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export function grafanaJson(dashboard: Dashboard): string {
  const model = {
    uid: dashboard.uid,
    title: dashboard.title,
    description: 'Generated from scripts/dashboards by npm run dashboards.',
    tags: ['nova-kms'],
    schemaVersion: SCHEMA,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'utc',
    templating: { list: [datasourceVariable(), ...(dashboard.byInstance ? [instanceVariable()] : [])] },
    panels: panelsOf(dashboard.rows),
  };
  return `${JSON.stringify(model, null, 2)}\n`;
}

function datasourceVariable(): object {
  return { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' };
}

function instanceVariable(): object {
  return {
    name: 'instance',
    label: 'Node',
    type: 'query',
    datasource: DATASOURCE,
    query: { query: 'label_values(nova_kms_build_info{job="nova-kms"}, instance)', refId: 'instances' },
    refresh: 2,
    multi: false,
    includeAll: false,
  };
}

function panelsOf(rows: readonly Row[]): object[] {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({ id: panels.length + 1, type: 'row', title: row.title, collapsed: false, gridPos: { x: 0, y, w: GRID_WIDTH, h: 1 }, panels: [] });
    y += 1;
    for (const [at, panel] of row.panels.entries()) {
      const place = { x: (at % PANELS_IN_A_LINE) * PANEL_WIDTH, y: y + Math.floor(at / PANELS_IN_A_LINE) * PANEL_HEIGHT, w: PANEL_WIDTH, h: PANEL_HEIGHT };
      panels.push(panelOf(panel, panels.length + 1, place));
    }
    y += Math.ceil(row.panels.length / PANELS_IN_A_LINE) * PANEL_HEIGHT;
  }
  return panels;
}

function panelOf({ kind, title, unit, queries }: Panel, id: number, gridPos: Place): object {
  return {
    id,
    type: kind,
    title,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: kind === 'stat' ? { reduceOptions: { calcs: ['lastNotNull'] }, textMode: 'value_and_name' } : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(({ expr, legend }, at) => ({ refId: String.fromCharCode(65 + at), datasource: DATASOURCE, expr, legendFormat: legend, ...(kind === 'stat' ? { instant: true } : {}) })),
  };
}
