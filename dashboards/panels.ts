import * as barchart from '@grafana/grafana-foundation-sdk/barchart';
import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BarGaugeDisplayMode,
  type DataSourceRef,
  GraphDrawStyle,
  ReduceDataOptionsBuilder,
  StackingMode,
  VizOrientation,
} from '@grafana/grafana-foundation-sdk/common';
import type { DataTransformerConfig, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { type Levels, thresholds } from './colors.ts';

/** Interval of scrapes, as in `collector/prometheus/prometheus.yml`. */
export const SCRAPE_INTERVAL = '10s';

/** Options of every panel. */
export interface PanelText {
  readonly title: string;
  /** What the panel shows, and what the reader should conclude. */
  readonly description: string;
  /** A unit of Grafana. */
  readonly unit: string;
  readonly datasource: DataSourceRef;
  /** Of 24 columns. */
  readonly width: number;
  readonly height: number;
  readonly targets: readonly Builder<Dataquery>[];
  readonly transformations?: readonly DataTransformerConfig[];
}

/** A panel of numbers, whose colours tell good from bad. */
export interface Numbers extends PanelText {
  readonly levels: Levels;
}

/** The methods that all builders of panels share. */
interface PanelBuilder {
  title(title: string): unknown;
  description(description: string): unknown;
  unit(unit: string): unknown;
  datasource(datasource: DataSourceRef): unknown;
  span(width: number): unknown;
  height(height: number): unknown;
  targets(targets: Builder<Dataquery>[]): unknown;
  transformations(transformations: DataTransformerConfig[]): unknown;
}

/** Numbers at the end of the time range of the dashboard. */
export function numbers(text: Numbers): stat.PanelBuilder {
  return described(new stat.PanelBuilder(), text)
    .thresholds(thresholds(text.levels))
    .decimals(0)
    .noValue('0')
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
}

/** One bar for each series, at the end of the time range of the dashboard. */
export function gauges(text: Numbers): bargauge.PanelBuilder {
  return described(new bargauge.PanelBuilder(), text)
    .thresholds(thresholds(text.levels))
    .displayMode(BarGaugeDisplayMode.Basic)
    .orientation(VizOrientation.Horizontal)
    .min(0)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
}

export function curves(text: PanelText): timeseries.PanelBuilder {
  return described(new timeseries.PanelBuilder(), text).min(0);
}

/** Counts of things that happened, as bars on top of each other; not finer than scrapes are apart, so that each is in one bar. */
export function bars(text: PanelText): timeseries.PanelBuilder {
  return curves(text).interval(SCRAPE_INTERVAL).drawStyle(GraphDrawStyle.Bars).fillOpacity(80).stacking(stacked());
}

export function rowsTable(text: PanelText): table.PanelBuilder {
  return described(new table.PanelBuilder(), text);
}

/** Bars of a table: the first column names them. */
export function barsOfTable(text: PanelText): barchart.PanelBuilder {
  return described(new barchart.PanelBuilder(), text).min(0);
}

/** The waterfall of a trace; the SDK has no builder of its own. */
export function waterfall({ title, description, datasource, width, height, targets }: PanelText): Builder<Panel> {
  return {
    build: () => ({
      type: 'traces',
      title,
      description,
      datasource,
      gridPos: { x: 0, y: 0, w: width, h: height },
      targets: targets.map((target, index) => lettered(target, index).build()),
    }),
  };
}

function stacked(): Builder<{ mode: StackingMode; group: string }> {
  return { build: () => ({ mode: StackingMode.Normal, group: 'A' }) };
}

export function described<B extends PanelBuilder>(builder: B, text: PanelText): B {
  builder.title(text.title);
  builder.description(text.description);
  builder.unit(text.unit);
  builder.datasource(text.datasource);
  builder.span(text.width);
  builder.height(text.height);
  builder.targets(text.targets.map(lettered));
  if (text.transformations !== undefined) builder.transformations([...text.transformations]);
  return builder;
}

/** A query without a name gets one from its place. */
function lettered(target: Builder<Dataquery>, index: number): Builder<Dataquery> {
  return { build: () => ({ refId: String.fromCharCode(65 + index), ...target.build() }) };
}
