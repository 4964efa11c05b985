import { AnnotationQueryBuilder, type Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { PROMETHEUS, prometheusVariable } from './datasources.ts';
import { chosen, happened, INSTANCE, requestRate } from './instance-metrics.ts';
import { choiceOf, page } from './page.ts';
import { bars, curves, described, numbers } from './panels.ts';
import { curve, value } from './queries.ts';
import { calls, counted, SERVICE } from './span-metrics.ts';

/** Traffic of every instance, with what its life had to do with it. */
export function instances(): Dashboard {
  return page(
    'lossless-instances',
    'Traffic and lifecycle per instance',
    'Requests of each instance, and when instances left and came: traffic must be over before an instance stops.',
  )
    .withVariable(prometheusVariable())
    .withVariable(choiceOf('service', 'Service', `label_values(lossless_info, ${SERVICE})`))
    .withVariable(choiceOf('instance', 'Instance', `label_values(lossless_info{${SERVICE}=~"$service"}, ${INSTANCE})`))
    .annotation(event('Offline begins', 'offline.started', 'red'))
    .annotation(event('Offline ended', 'offline', 'orange'))
    .annotation(event('Online begins', 'online.started', 'green'))
    .withPanel(
      curves({
        title: 'Requests by instance',
        description:
          'Requests started in each second. A red line is the begin of an offline: the curve of that instance must reach 0 before it ends.',
        unit: 'reqps',
        datasource: PROMETHEUS,
        width: 24,
        height: 10,
        targets: [
          curve(requestRate([SERVICE, INSTANCE], chosen('lossless_requests_total')), `{{${SERVICE}}} {{${INSTANCE}}}`),
        ],
      }),
    )
    .withPanel(
      described(new statetimeline.PanelBuilder(), {
        title: 'State of each instance',
        description:
          'What each instance was when it was scraped. An offline of less than a scrape interval does not show; its lines do.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 24,
        height: 7,
        targets: [
          curve(
            `max by (${SERVICE}, ${INSTANCE}, state) (${chosen('lossless_state')}) == 1`,
            `{{${INSTANCE}}} {{state}}`,
          ),
        ],
      }),
    )
    .withPanel(
      numbers({
        title: 'Ready',
        description: 'Instances whose /readiness answers 200, by service.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 6,
        height: 6,
        targets: [value(`sum by (${SERVICE}) (${chosen('lossless_ready')})`, `{{${SERVICE}}}`)],
      }),
    )
    .withPanel(
      curves({
        title: 'In flight',
        description: 'Requests accepted and not finished. What an instance waits for before it stops.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 9,
        height: 6,
        targets: [curve(`sum by (${INSTANCE}) (${chosen('lossless_requests_in_flight')})`, `{{${INSTANCE}}}`)],
      }),
    )
    .withPanel(
      curves({
        title: 'Recent consumers',
        description: 'Who would be told if the instance left now, by the service they are of.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 9,
        height: 6,
        targets: [
          curve(
            `sum by (${INSTANCE}, service) (${chosen('lossless_recent_consumers')})`,
            `{{${INSTANCE}}}: {{service}}`,
          ),
        ],
      }),
    )
    .withPanel(
      numbers({
        title: 'Requests of unmanaged callers',
        description:
          'Of callers without the plugin, in the time of the dashboard: an instance that leaves cannot tell them.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 6,
        height: 6,
        targets: [
          value(happened([SERVICE], chosen('lossless_requests_total', { caller: 'unmanaged' })), `{{${SERVICE}}}`),
        ],
      }),
    )
    .withPanel(
      numbers({
        title: 'GoAways received',
        description: 'By how they were taken. forbidden and invalid: somebody sends what is not his to send.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 9,
        height: 6,
        targets: [value(happened(['outcome'], chosen('lossless_goaways_received_total')), '{{outcome}}')],
      }),
    )
    .withPanel(
      curves({
        title: 'Isolated instances',
        description: 'Instances that each process does not pick, because they leave.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 9,
        height: 6,
        targets: [curve(`sum by (${INSTANCE}) (${chosen('lossless_quarantined_instances')})`, `{{${INSTANCE}}}`)],
      }),
    )
    .withPanel(
      curves({
        title: 'Connections of callers without the plugin',
        description:
          'Open connections of balancers, proxies and others. After an offline begins they must fall to 0 before the instance stops.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [curve(`sum by (${INSTANCE}) (${chosen('lossless_unmanaged_connections')})`, `{{${INSTANCE}}}`)],
      }),
    )
    .withPanel(
      bars({
        title: 'Health checks',
        description:
          'Of balancers and platforms, by answer. Failing ones tell a balancer that an instance leaves; without any, nobody tells it.',
        unit: 'reqps',
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [
          curve(`sum by (result) (rate(${chosen('lossless_health_checks_total')}[$__rate_interval]))`, '{{result}}'),
        ],
      }),
    )
    .withPanel(
      numbers({
        title: 'Idle connections closed',
        description:
          'Of callers without the plugin, closed by the server: a request may have been on its way. LOSSLESS_KEEP_ALIVE_MS must be above the idle time-out of the proxy.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [value(happened([SERVICE], chosen('lossless_idle_closed_total')), `{{${SERVICE}}}`)],
      }),
    )
    .withPanel(
      bars({
        title: 'Panic picks',
        description:
          'Requests sent to an instance that leaves because there was no other. The service was left without one.',
        unit: 'reqps',
        datasource: PROMETHEUS,
        width: 24,
        height: 6,
        targets: [
          curve(`sum by (service) (rate(${chosen('lossless_panic_picks_total')}[$__rate_interval]))`, '{{service}}'),
        ],
      }),
    )
    .build();
}

/** A line where something began or ended, from the span metrics, so that it is there for the shortest offline too. */
function event(name: string, work: WorkName, color: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .enable(true)
    .iconColor(color)
    .datasource(PROMETHEUS)
    .expr(`${counted([SERVICE], calls(work, [SERVICE, '=~', '$service']), '$__rate_interval')} > 0`);
}
