import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import type { WorkName } from '../src/lifecycle/records.ts';
import { ATTR, spanName } from '../src/trace/schema.ts';
import { JAEGER, jaegerVariable, PROMETHEUS, prometheusVariable } from './datasources.ts';
import { choiceOf, page } from './page.ts';
import { bars, gauges, numbers, rowsTable } from './panels.ts';
import { curve, lastShutdowns, lastWithResult, rows, value } from './queries.ts';
import { calls, counted, durations, label, type Match, SERVICE, untold } from './span-metrics.ts';

const OF_SERVICE: Match = [SERVICE, '=~', '$service'];

/** The phases of a shutdown; the shutdown itself last. */
const PHASES: readonly WorkName[] = ['notify', 'deregister', 'drain', 'stop', 'offline'];

/** What happened in the time of the dashboard. */
function count(by: readonly string[], counter: string): string {
  return counted(by, counter, '$__range');
}

/** Leads from a trace in a table to the dashboard of that shutdown. */
const TO_TRACE = {
  id: 'links',
  value: [
    {
      title: 'Show this shutdown',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in.
      url: '/d/lossless-shutdown?var-traceId=${__value.raw}&${jaeger_datasource:queryparam}&${prometheus_datasource:queryparam}&${__url_time_range}',
    },
  ],
};

/** How the instances of all services left, and which of them did not leave well. */
export function shutdowns(): Dashboard {
  const started = calls('offline.started', OF_SERVICE);
  const ended = calls('offline', OF_SERVICE);
  const consumer = label(ATTR.peerService);
  const acked = count([consumer], calls('goaway', [ATTR.goawayResult, '=', 'acked'], OF_SERVICE));
  const toTell = count([consumer], calls('goaway', [ATTR.goawayResult, '!=', 'gone'], OF_SERVICE));
  return page(
    'lossless-shutdowns',
    'Shutdowns',
    'How instances left: results, durations, who was told, and every trace.',
  )
    .withVariable(prometheusVariable())
    .withVariable(jaegerVariable())
    .withVariable(choiceOf('service', 'Service', `label_values(${calls('offline.started')}, ${SERVICE})`))
    .withPanel(
      numbers({
        title: 'Shutdowns by result',
        description:
          'Shutdowns that ended. Anything but success and cancelled is worth a look at its trace: incomplete left safely but told somebody in vain.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 10,
        height: 5,
        targets: [value(count([label(ATTR.offlineResult)], ended), `{{${label(ATTR.offlineResult)}}}`)],
      }),
    )
    .withPanel(
      numbers({
        title: 'Consumers not told',
        description:
          'GoAways that no consumer acknowledged. Each one is a consumer that learnt of the shutdown from the registry only.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 5,
        height: 5,
        targets: [value(`${count([], untold(OF_SERVICE))} or vector(0)`, 'not told')],
      }),
    )
    .withPanel(
      numbers({
        title: 'Still open',
        description:
          'Shutdowns that began and have not ended: they run, or the process was killed. More than the grace period old, they were killed.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 9,
        height: 5,
        targets: [
          value(
            `clamp_min(${count([SERVICE], started)} - (${count([SERVICE], ended)} or 0 * ${count([SERVICE], started)}), 0)`,
            `{{${SERVICE}}}`,
          ),
        ],
      }),
    )
    .withPanel(
      bars({
        title: 'Shutdowns over time',
        description: 'When shutdowns ended, by result. A rolling update is a group of bars.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 12,
        height: 8,
        targets: [
          curve(counted([label(ATTR.offlineResult)], ended, '$__rate_interval'), `{{${label(ATTR.offlineResult)}}}`),
        ],
      }),
    )
    .withPanel(
      gauges({
        title: 'Mean duration by phase',
        description:
          'Mean time of each phase and of the whole shutdown. Telling and deregistering begin together; the drain follows the telling.',
        unit: 'ms',
        datasource: PROMETHEUS,
        width: 6,
        height: 8,
        targets: [
          value(
            `${count(['span_name'], durations('sum', PHASES, OF_SERVICE))} / (${count(['span_name'], durations('count', PHASES, OF_SERVICE))} > 0)`,
            '{{span_name}}',
          ),
        ],
      }),
    )
    .withPanel(
      gauges({
        title: 'Slowest twentieth by phase',
        description: '95th percentile of each phase and of the whole shutdown, to the precision of the buckets.',
        unit: 'ms',
        datasource: PROMETHEUS,
        width: 6,
        height: 8,
        targets: [
          value(
            `histogram_quantile(0.95, ${count(['le', 'span_name'], durations('bucket', PHASES, OF_SERVICE))})`,
            '{{span_name}}',
          ),
        ],
      }),
    )
    .withPanel(
      gauges({
        title: 'Fan-out coverage by consumer service',
        description:
          'Share of GoAways that the consumer acknowledged, of those with a consumer to tell. Below 1, look at the table beside.',
        unit: 'percentunit',
        datasource: PROMETHEUS,
        width: 8,
        height: 8,
        targets: [value(`(${acked} or 0 * ${toTell}) / (${toTell} > 0)`, `{{${consumer}}}`)],
      }).max(1),
    )
    .withPanel(
      rowsTable({
        title: 'GoAways by provider, consumer and result',
        description: 'Who told whom, and how it ended. gone: the consumer had ended, there was nobody to tell.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 10,
        height: 8,
        targets: [
          rows(count([SERVICE, label(ATTR.peerService), label(ATTR.goawayResult)], calls('goaway', OF_SERVICE))),
        ],
        transformations: [
          {
            id: 'organize',
            options: {
              excludeByName: { Time: true },
              renameByName: {
                [SERVICE]: 'provider',
                [label(ATTR.peerService)]: 'consumer',
                [label(ATTR.goawayResult)]: 'result',
                Value: 'GoAways',
              },
            },
          },
        ],
      }),
    )
    .withPanel(
      numbers({
        title: 'Registry answers',
        description:
          'What the registry said to the deregistration, read back. Anything but confirmed may keep an address in lists.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 3,
        height: 8,
        targets: [
          value(
            count([label(ATTR.deregisterResult)], calls('deregister', OF_SERVICE)),
            `{{${label(ATTR.deregisterResult)}}}`,
          ),
        ],
      }),
    )
    .withPanel(
      numbers({
        title: 'Drains',
        description: 'How the wait for the end of all traffic ended. timeout: connections were cut at the deadline.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 3,
        height: 8,
        targets: [
          value(count([label(ATTR.drainResult)], calls('drain', OF_SERVICE)), `{{${label(ATTR.drainResult)}}}`),
        ],
      }),
    )
    .withPanel(
      rowsTable({
        title: 'Last shutdowns of $service',
        description: 'The trace of each; a click on its id shows that shutdown.',
        unit: 'none',
        datasource: JAEGER,
        width: 12,
        height: 9,
        targets: [lastShutdowns()],
      })
        .overrideByName('traceID', [TO_TRACE])
        .repeat('service')
        .repeatDirection('v'),
    )
    .withPanel(
      rowsTable({
        title: 'Last shutdowns of $service that did not end well',
        description: `The traces whose ${ATTR.offlineResult} is incomplete, timeout or error; a click on an id shows that shutdown. A shutdown without ${spanName('offline')} is not here but in Still open.`,
        unit: 'none',
        datasource: JAEGER,
        width: 12,
        height: 9,
        targets: [lastWithResult('incomplete'), lastWithResult('timeout'), lastWithResult('error')],
        transformations: [{ id: 'merge', options: {} }],
      })
        .overrideByName('traceID', [TO_TRACE])
        .repeat('service')
        .repeatDirection('v'),
    )
    .build();
}
