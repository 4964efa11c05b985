import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../../../dashboards/generated');

/** The parts of a dashboard that the tests read. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly editable: boolean;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list?: readonly Annotation[] };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly datasource: DataSource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly Target[];
  readonly transformations?: readonly Transformation[];
  readonly repeat?: string;
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: Thresholds;
      readonly mappings?: readonly object[];
    };
    readonly overrides: readonly object[];
  };
}

export interface Thresholds {
  readonly steps: readonly { readonly value: number | null; readonly color: string }[];
}

export interface DataSource {
  readonly type: string;
  readonly uid: string;
}

export interface Target {
  readonly refId: string;
  readonly datasource: DataSource;
  readonly expr?: string;
  readonly instant?: boolean;
  readonly legendFormat?: string;
  readonly queryType?: string;
  readonly service?: string;
  readonly operation?: string;
  readonly tags?: string;
  readonly limit?: number;
  readonly query?: string;
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly label: string;
  readonly query: string;
  readonly refresh?: number;
  readonly includeAll?: boolean;
  readonly allValue?: string;
}

export interface Annotation {
  readonly name: string;
  readonly datasource: DataSource;
  readonly expr?: string;
  readonly step?: string;
  readonly titleFormat?: string;
  readonly textFormat?: string;
  readonly tagKeys?: string;
  readonly useValueForTime?: boolean;
}

export interface Transformation {
  readonly id: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Values of variables, those of Grafana included. */
export type Values = Readonly<Record<string, string>>;

/** The generated dashboards by the name of their file, without rows, which only group panels. */
export function generatedDashboards(): ReadonlyMap<string, Dashboard> {
  return new Map(
    readdirSync(folder)
      .filter((name) => name.endsWith('.json') && name !== 'grafana-alerts.json')
      .map((name) => {
        const dashboard = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Dashboard;
        const panels = dashboard.panels.filter(({ type }) => type !== 'row');
        return [name.replace(/\.json$/, ''), { ...dashboard, panels }];
      }),
  );
}

/** Fills in `$name`, `${name}` and `${name:format}` as Grafana does; `$1` stays. Throws for a variable without a value. */
export function interpolate(text: string, values: Values): string {
  return text.replace(/\$(?:\{(\w+)(?::\w+)?\}|([A-Za-z_]\w*))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? '';
    const value = values[name];
    if (value === undefined) throw new Error(`no value for $${name} in ${text}`);
    return value;
  });
}
