import { type Dashboard, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { GOAWAY_RESULTS } from '../src/lifecycle/outcomes.ts';
import { ATTR, spanName } from '../src/trace/model/schema.ts';
import { ALL_OR_BAD, FAULTS, wordsInColor } from './colors.ts';
import { jaegerVariable, PROMETHEUS, prometheusVariable } from './datasources.ts';
import { choiceOf, page } from './page.ts';
import { gauges, numbers, rowsTable } from './panels.ts';
import { last, lastWith, rows, value } from './queries.ts';
import { shutdownTable } from './shutdown-table.ts';
import { sloPanels } from './slo.ts';
import { calls, label, NOT_TOLD, SERVICE, untold } from './span-metrics.ts';
import { count, meanDurations, OF_SERVICE, open, overTime, slowestDurations, tally, traces } from './span-panels.ts';

/** The phases of a shutdown; the shutdown itself last. */
const PHASES: readonly WorkName[] = ['notify', 'deregister', 'drain', 'stop', 'offline'];

/** Shutdowns of all services, and those that ended badly. */
export function shutdowns(): Dashboard {
  const consumer = label(ATTR.peerService);
  const acked = count([consumer], calls('goaway', [ATTR.goawayResult, '=', 'acked'], OF_SERVICE));
  const toTell = count(
    [consumer],
    calls('goaway', [ATTR.goawayResult, '=~', ['acked', ...NOT_TOLD].join('|')], OF_SERVICE),
  );
  const [lossless, budget, burnRate] = sloPanels();
  const everyResult = [SERVICE, consumer, label(ATTR.goawayResult)];
  return page(
    'lossless-shutdowns',
    'Shutdowns',
    'How instances left: results, durations, acknowledged GoAways, and every trace.',
  )
    .withVariable(prometheusVariable())
    .withVariable(jaegerVariable())
    .withVariable(choiceOf('service', 'Service', `label_values(${calls('offline.started')}, ${SERVICE})`))
    .withRow(new RowBuilder('Now'))
    .withPanel(
      tally(
        {
          title: 'Shutdowns by result',
          description:
            'Shutdowns that ended. Look at the trace of every result but success, cancelled and never_ready. incomplete: the instance left safely, but a caller did not learn of the shutdown.',
          width: 10,
          height: 5,
        },
        'offline',
        ATTR.offlineResult,
      ),
    )
    .withPanel(
      numbers({
        title: 'Consumers not told',
        description:
          'GoAways without an acknowledgement. Each stands for one consumer that learnt of the shutdown only from the registry.',
        unit: 'none',
        levels: FAULTS,
        datasource: PROMETHEUS,
        width: 5,
        height: 5,
        targets: [value(`${count([], untold(OF_SERVICE))} or vector(0)`, 'not told')],
      }),
    )
    .withPanel(
      open(
        {
          title: 'Still open',
          description:
            'Shutdowns that began and sent no end: they run, or the process was killed. A shutdown older than its grace period was killed. A shutdown with the result killed has an end and is not here.',
          width: 9,
          height: 5,
        },
        'offline.started',
        'offline',
      ),
    )
    .withPanel(lossless)
    .withPanel(budget)
    .withPanel(burnRate)
    .withRow(new RowBuilder('Releases'))
    .withPanel(shutdownTable())
    .withPanel(
      overTime(
        {
          title: 'Shutdowns over time',
          description: 'When shutdowns ended, by result. A rolling update is a group of bars.',
          width: 12,
          height: 8,
        },
        'offline',
        ATTR.offlineResult,
      ),
    )
    .withPanel(
      meanDurations(
        {
          title: 'Mean duration by phase',
          description:
            'Mean time of each phase and of the whole shutdown. The phases notify and deregister begin together; the drain follows notify.',
          width: 6,
          height: 8,
        },
        PHASES,
      ),
    )
    .withPanel(
      slowestDurations(
        {
          title: 'Slowest twentieth by phase',
          description: '95th percentile of each phase and of the whole shutdown, to the precision of the buckets.',
          width: 6,
          height: 8,
        },
        PHASES,
      ),
    )
    .withRow(new RowBuilder('Fan-out'))
    .withPanel(
      gauges({
        title: 'Fan-out coverage by consumer service',
        description:
          'Share of GoAways that their consumer acknowledged, without consumers that had exited. Below 1, look at the table beside this panel.',
        unit: 'percentunit',
        levels: ALL_OR_BAD,
        datasource: PROMETHEUS,
        width: 8,
        height: 8,
        targets: [value(`(${acked} or 0 * ${toTell}) / (${toTell} > 0)`, `{{${consumer}}}`)],
      }).max(1),
    )
    .withPanel(
      rowsTable({
        title: 'GoAways by provider, consumer and result',
        description:
          'GoAways of each provider to each consumer service, by result. gone: the consumer had exited and needed no GoAway.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 10,
        height: 8,
        targets: [rows(count(everyResult, calls('goaway', OF_SERVICE)))],
        transformations: [
          {
            id: 'organize',
            options: {
              excludeByName: { Time: true },
              renameByName: {
                [SERVICE]: 'provider',
                [consumer]: 'consumer',
                [label(ATTR.goawayResult)]: 'result',
                Value: 'GoAways',
              },
            },
          },
        ],
      }).overrideByName('result', wordsInColor(GOAWAY_RESULTS)),
    )
    .withPanel(
      tally(
        {
          title: 'Registry answers',
          description:
            'Answers of the registry to the deregistration, after reading the list back. With any other answer than confirmed the address may stay in lists.',
          width: 3,
          height: 8,
        },
        'deregister',
        ATTR.deregisterResult,
      ),
    )
    .withPanel(
      tally(
        {
          title: 'Drains',
          description:
            'How the wait for the end of all traffic ended. timeout: the deadline came first; LosslessRequestsCut tells whether the instance cut requests.',
          width: 3,
          height: 8,
        },
        'drain',
        ATTR.drainResult,
      ),
    )
    .withPanel(
      tally(
        {
          title: 'Why drains were held',
          description:
            'Why the instance waited before it stopped. entry_not_told: a balancer that checks the instance still did not know of the shutdown at the end of the wait.',
          width: 12,
          height: 5,
        },
        'drain',
        ATTR.holdReason,
      ),
    )
    .withPanel(
      tally(
        {
          title: 'Callers without the plugin',
          description:
            'Why the instance stopped waiting for callers without the plugin. coming: they still connected; not_told: their balancer did not know; hold: the hold time ended.',
          width: 12,
          height: 5,
        },
        'entry',
        ATTR.entryEndedBy,
      ),
    )
    .withRow(new RowBuilder('Telemetry'))
    .withPanel(
      traces(
        {
          title: 'Last shutdowns of $service',
          description: 'The trace of each; a click on its id shows that shutdown.',
          width: 12,
          height: 9,
        },
        'lossless-shutdown',
        [last('offline')],
      ),
    )
    .withPanel(
      traces(
        {
          title: 'Last shutdowns of $service that did not end well',
          description: `The traces whose ${ATTR.offlineResult} is incomplete, timeout, last_instance, error or killed; a click on an id shows that shutdown. The panel Still open has the shutdowns without ${spanName('offline')}.`,
          width: 12,
          height: 9,
        },
        'lossless-shutdown',
        (['incomplete', 'timeout', 'last_instance', 'error', 'killed'] as const).map((result) =>
          lastWith('offline', ATTR.offlineResult, result),
        ),
      ),
    )
    .build();
}
