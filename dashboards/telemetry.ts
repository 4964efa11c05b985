import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { ATTR } from '../src/trace/model/schema.ts';
import { ALL_OR_BAD, CONCERNS, countOf, FAULTS, NEUTRAL, YES_OR_BAD } from './colors.ts';
import { PROMETHEUS, prometheusVariable } from './datasources.ts';
import { happened, INSTANCE } from './instance-metrics.ts';
import { page } from './page.ts';
import { bars, gauges, numbers, rowsTable } from './panels.ts';
import { curve, rows, value } from './queries.ts';
import { calls, counted, every, IDENTITY, label, SERVICE, SPAN_METRICS_JOB } from './span-metrics.ts';
import { count } from './span-panels.ts';

/** Whether the other dashboards can be trusted. */
export function telemetry(): Dashboard {
  const peer = label(ATTR.peerService);
  const acked = count([peer], calls('goaway', [ATTR.goawayResult, '=', 'acked']));
  const byConsumer = `label_replace(${acked}, "${SERVICE}", "$1", "${peer}", "(.*)")`;
  const refreshed = count([SERVICE], calls('consumer.refresh'));
  const identity = IDENTITY.join(', ');
  const gone = `count by (${identity}) (last_over_time(lossless_info[$__range]) unless on (${identity}, ${INSTANCE}) lossless_info)`;
  const began = count(IDENTITY, calls('offline.started'));
  return page(
    'lossless-telemetry',
    'Telemetry health',
    'Whether you can trust the other dashboards: what arrives, what is missing, what fires.',
  )
    .withVariable(prometheusVariable())
    .withPanel(
      numbers({
        title: 'Collectors scraped',
        description:
          'Whether Prometheus reads the span metrics. Without them every other number stands still, and only the alert LosslessSpanMetricsDown fires.',
        unit: 'bool_yes_no',
        levels: YES_OR_BAD,
        datasource: PROMETHEUS,
        width: 8,
        height: 5,
        targets: [value(`min by (instance) (up{${SPAN_METRICS_JOB}})`, '{{instance}}')],
      }),
    )
    .withPanel(
      numbers({
        title: 'Samples of the span metrics',
        description:
          'Number of samples in a scrape. A few dozen for each service are normal; thousands mean a dimension with too many values.',
        unit: 'none',
        levels: NEUTRAL,
        datasource: PROMETHEUS,
        width: 8,
        height: 5,
        targets: [value(`sum by (instance) (scrape_samples_scraped{${SPAN_METRICS_JOB}})`, '{{instance}}')],
      }),
    )
    .withPanel(
      gauges({
        title: 'Traces complete, by consumer service',
        description:
          'Share of acknowledged GoAways for which the span of the consumer arrived too. Below 1, a consumer exports no spans, or exports them to another place.',
        unit: 'percentunit',
        levels: ALL_OR_BAD,
        datasource: PROMETHEUS,
        width: 8,
        height: 5,
        targets: [
          value(
            `sum by (${SERVICE}) (${refreshed} or 0 * ${byConsumer}) / on (${SERVICE}) sum by (${SERVICE}) (${byConsumer} > 0)`,
            `{{${SERVICE}}}`,
          ),
        ],
      }).max(1),
    )
    .withPanel(
      bars({
        title: 'Spans over time',
        description:
          'Received spans, by kind. Every rolling update is a hill; a hill with few kinds of span means that the pipeline drops spans.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 12,
        height: 9,
        targets: [curve(counted(['span_name'], every(), '$__interval'), '{{span_name}}')],
      }),
    )
    .withPanel(
      rowsTable({
        title: 'Spans by service and kind',
        description:
          'Received spans in the time range of the dashboard. A service that is missing here has exported none.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 12,
        height: 9,
        targets: [rows(count([SERVICE, 'span_name'], every()))],
        transformations: [
          {
            id: 'organize',
            options: {
              excludeByName: { Time: true },
              renameByName: { [SERVICE]: 'service', span_name: 'span', Value: 'spans' },
            },
          },
        ],
      }),
    )
    .withPanel(
      gauges({
        title: 'Spooled files',
        description:
          'Files with spans that wait for the collector, by service. The next start or lossless replay sends them when the collector is back.',
        unit: 'none',
        levels: CONCERNS,
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [value(`max by (${SERVICE}) (lossless_spool_files)`, `{{${SERVICE}}}`)],
      }),
    )
    .withPanel(
      gauges({
        title: 'Spooled bytes',
        description: 'Size of the spooled files. At 64 MiB the plugin removes the oldest files.',
        unit: 'bytes',
        levels: CONCERNS,
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [value(`max by (${SERVICE}) (lossless_spool_bytes)`, `{{${SERVICE}}}`)],
      }),
    )
    .withPanel(
      numbers({
        title: 'Spans of instances by outcome',
        description:
          'What became of the spans of the instances, in the time range of the dashboard. lost: the plugin could neither send nor spool them.',
        unit: 'none',
        levels: NEUTRAL,
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [value(happened(['outcome'], 'lossless_spans_total'), '{{outcome}}')],
      })
        .overrideByName('spooled', countOf(CONCERNS))
        .overrideByName('lost', countOf(FAULTS)),
    )
    .withPanel(
      numbers({
        title: 'Instances that vanished unseen',
        description:
          'Instances that Prometheus scraped in the time range of the dashboard and that are gone, less the shutdowns that began in it. They were killed, or their spans did not arrive.',
        unit: 'none',
        levels: FAULTS,
        datasource: PROMETHEUS,
        width: 24,
        height: 5,
        targets: [value(`sum by (${SERVICE}) (clamp_min(${gone} - (${began} or 0 * ${gone}), 0))`, `{{${SERVICE}}}`)],
      }),
    )
    .withPanel(
      rowsTable({
        title: 'Alerts that fire',
        description: 'Alerts of the rules in alerts.yaml that fire. Each has a page in docs/runbooks.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 24,
        height: 6,
        targets: [rows(`ALERTS{alertname=~"Lossless.*", alertstate="firing"}`)],
        transformations: [
          { id: 'organize', options: { excludeByName: { Time: true, Value: true, __name__: true, alertstate: true } } },
        ],
      }),
    )
    .build();
}
