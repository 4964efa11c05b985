import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { ATTRIBUTES, type AttributeName } from '../src/trace/model/schema.ts';
import { CONCERNS, countColors, curveColor, NEUTRAL } from './colors.ts';
import { JAEGER, PROMETHEUS } from './datasources.ts';
import { bars, gauges, numbers, type PanelText, rowsTable } from './panels.ts';
import { curve, type JaegerQuery, jaegerQuery, value } from './queries.ts';
import { calls, counted, durations, label, type Match, SERVICE } from './span-metrics.ts';

/** The service that is chosen on the dashboard. */
export const OF_SERVICE: Match = [SERVICE, '=~', '$service'];

/** Texts and size of a panel. */
export type Shown = Omit<PanelText, 'unit' | 'datasource' | 'targets'>;

/** Number of spans in the time range of the dashboard. */
export function count(by: readonly string[], counter: string): string {
  return counted(by, counter, '$__range');
}

/** Number of spans for each value of an attribute. */
export function tally(shown: Shown, work: WorkName, attribute: AttributeName): Builder<Panel> {
  const panel = numbers({
    ...shown,
    unit: 'none',
    levels: NEUTRAL,
    datasource: PROMETHEUS,
    targets: [value(count([label(attribute)], calls(work, OF_SERVICE)), `{{${label(attribute)}}}`)],
  });
  for (const result of valuesOf(attribute)) panel.overrideByName(result, countColors(result));
  return panel;
}

/** When spans ended, by an attribute; exemplars lead from a bar to a trace where the data source knows them. */
export function overTime(shown: Shown, work: WorkName, attribute: AttributeName): Builder<Panel> {
  const panel = bars({
    ...shown,
    unit: 'none',
    datasource: PROMETHEUS,
    targets: [
      curve(counted([label(attribute)], calls(work, OF_SERVICE), '$__interval'), `{{${label(attribute)}}}`).exemplar(
        true,
      ),
    ],
  });
  for (const result of valuesOf(attribute)) panel.overrideByName(result, curveColor(result));
  return panel;
}

function valuesOf(attribute: AttributeName): readonly string[] {
  return ATTRIBUTES[attribute].values ?? [];
}

/** Number of shutdowns or starts that began and have not ended, by service. */
export function open(shown: Shown, marker: WorkName, root: WorkName): Builder<Panel> {
  const began = count([SERVICE], calls(marker, OF_SERVICE));
  const ended = count([SERVICE], calls(root, OF_SERVICE));
  return numbers({
    ...shown,
    unit: 'none',
    levels: CONCERNS,
    datasource: PROMETHEUS,
    targets: [value(`clamp_min(${began} - (${ended} or 0 * ${began}), 0)`, `{{${SERVICE}}}`)],
  });
}

/** Mean time that each kind of span took. */
export function meanDurations(shown: Shown, works: readonly WorkName[]): Builder<Panel> {
  const [sum, number] = (['sum', 'count'] as const).map((part) =>
    count(['span_name'], durations(part, works, OF_SERVICE)),
  );
  return gauges({
    ...shown,
    unit: 'ms',
    levels: NEUTRAL,
    datasource: PROMETHEUS,
    targets: [value(`${sum} / (${number} > 0)`, '{{span_name}}')],
  });
}

/** 95th percentile of the time that each kind of span took; of those that did not happen it is not a number, and not shown. */
export function slowestDurations(shown: Shown, works: readonly WorkName[]): Builder<Panel> {
  const buckets = count(['le', 'span_name'], durations('bucket', works, OF_SERVICE));
  return gauges({
    ...shown,
    unit: 'ms',
    levels: NEUTRAL,
    datasource: PROMETHEUS,
    targets: [value(`histogram_quantile(0.95, ${buckets}) >= 0`, '{{span_name}}')],
  });
}

/** Traces, once for each chosen service; a click on an id opens it in the dashboard `uid`. */
export function traces(shown: Shown, uid: string, queries: readonly JaegerQuery[]): Builder<Panel> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in.
  const variables = 'var-traceId=${__value.raw}&${jaeger_datasource:queryparam}&${__url_time_range}';
  return rowsTable({
    ...shown,
    unit: 'none',
    datasource: JAEGER,
    targets: queries.map(jaegerQuery),
    ...(queries.length > 1 && { transformations: [{ id: 'merge', options: {} }] }),
  })
    .overrideByName('traceID', [{ id: 'links', value: [{ title: 'Show it', url: `/d/${uid}?${variables}` }] }])
    .repeat('service')
    .repeatDirection('v');
}
