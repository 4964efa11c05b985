import { type Dashboard, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import { CONCERNS, countOf, FAULTS, NEUTRAL, YES_OR_BAD } from './colors.ts';
import { PROMETHEUS, prometheusVariable } from './datasources.ts';
import { chosen, happened, INSTANCE, own, requestRate } from './instance-metrics.ts';
import { choiceOf, choiceOfAll, page } from './page.ts';
import { bars, curves, described, numbers } from './panels.ts';
import { LEAVERS, MARKS, most, phases, STATE_WORDS, scrapedState } from './picture.ts';
import { curve, value } from './queries.ts';
import { SERVICE } from './span-metrics.ts';

/** Traffic of every instance, with what its life had to do with it. */
export function instances(): Dashboard {
  return page(
    'lossless-instances',
    'Traffic and lifecycle per instance',
    'Requests of each instance, and when instances left and came: traffic must be over before an instance stops.',
  )
    .withVariable(prometheusVariable())
    .withVariable(choiceOf('service', 'Service', `label_values(lossless_info, ${SERVICE})`))
    .withVariable(
      choiceOfAll('instance', 'Instance', `label_values(lossless_info{${SERVICE}=~"$service"}, ${INSTANCE})`),
    )
    .annotations([...MARKS])
    .withRow(new RowBuilder('Releases'))
    .withPanel(
      curves({
        title: 'Traffic of each instance, as they leave and come',
        description:
          'Requests of each second. Who has left says so itself, to the second, from a minute before it began to leave; the others as they are scraped. A red line is the begin of an offline: the curve of that instance falls after it, and ends at 0.',
        unit: 'reqps',
        datasource: PROMETHEUS,
        width: 24,
        height: 10,
        targets: [
          curve(LEAVERS, `{{${SERVICE}}} {{${INSTANCE}}}`),
          curve(
            `${most(requestRate([SERVICE, INSTANCE], chosen('lossless_requests_total')))} and on (${SERVICE}, ${INSTANCE}) (${own('lossless_info')} @ end())`,
            `{{${SERVICE}}} {{${INSTANCE}}}`,
          ),
        ],
      }).interval('1s'),
    )
    .withPanel(
      described(new statetimeline.PanelBuilder(), {
        title: 'State of each instance',
        description:
          'What each instance was when it was scraped, and who has left, when it told its consumers, drained and stopped, to the millisecond.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 24,
        height: 7,
        targets: [curve(scrapedState(), `{{${INSTANCE}}}`), curve(phases(), `{{${INSTANCE}}}`)],
      })
        .mappings(STATE_WORDS)
        .interval('1s'),
    )
    .withPanel(
      curves({
        title: 'Requests by instance, as scraped',
        description:
          'Also of an instance that was killed and said nothing. The curve of one that is gone ends with the next scrape, at its last level: the panel above knows how it fell.',
        unit: 'reqps',
        datasource: PROMETHEUS,
        width: 24,
        height: 8,
        targets: [
          curve(
            most(
              `${requestRate([SERVICE, INSTANCE], chosen('lossless_requests_total'))} and on (${SERVICE}, ${INSTANCE}) ${own('lossless_info')}`,
            ),
            `{{${SERVICE}}} {{${INSTANCE}}}`,
          ),
        ],
      }),
    )
    .withRow(new RowBuilder('Now'))
    .withPanel(
      numbers({
        title: 'Ready',
        description: 'Instances whose /readiness answers 200, by service.',
        unit: 'none',
        levels: YES_OR_BAD,
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
        targets: [curve(most(`sum by (${INSTANCE}) (${chosen('lossless_requests_in_flight')})`), `{{${INSTANCE}}}`)],
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
            most(`sum by (${INSTANCE}, service) (${chosen('lossless_recent_consumers')})`),
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
        levels: NEUTRAL,
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
        levels: NEUTRAL,
        datasource: PROMETHEUS,
        width: 9,
        height: 6,
        targets: [value(happened(['outcome'], chosen('lossless_goaways_received_total')), '{{outcome}}')],
      })
        .overrideByName('forbidden', countOf(FAULTS))
        .overrideByName('invalid', countOf(FAULTS)),
    )
    .withPanel(
      curves({
        title: 'Isolated instances',
        description: 'Instances that each process does not pick, because they leave.',
        unit: 'none',
        datasource: PROMETHEUS,
        width: 9,
        height: 6,
        targets: [curve(most(`sum by (${INSTANCE}) (${chosen('lossless_quarantined_instances')})`), `{{${INSTANCE}}}`)],
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
        targets: [curve(most(`sum by (${INSTANCE}) (${chosen('lossless_unmanaged_connections')})`), `{{${INSTANCE}}}`)],
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
        levels: CONCERNS,
        datasource: PROMETHEUS,
        width: 8,
        height: 6,
        targets: [value(happened([SERVICE], chosen('lossless_idle_closed_total')), `{{${SERVICE}}}`)],
      }),
    )
    .withPanel(
      curves({
        title: 'Largest shares of picks',
        description:
          'Part of the calls to a service that one instance is given, by the consumer that gives it most. Two curves far apart: one instance gets too much. Only with a token does Prometheus get these.',
        unit: 'percentunit',
        datasource: PROMETHEUS,
        width: 12,
        height: 6,
        targets: [
          curve(most(`max by (service, address) (${chosen('lossless_pick_share')})`), '{{service}} {{address}}'),
        ],
      }).max(1),
    )
    .withPanel(
      bars({
        title: 'Panic picks',
        description:
          'Requests sent to an instance that leaves because there was no other. The service was left without one.',
        unit: 'reqps',
        datasource: PROMETHEUS,
        width: 12,
        height: 6,
        targets: [
          curve(`sum by (service) (rate(${chosen('lossless_panic_picks_total')}[$__rate_interval]))`, '{{service}}'),
        ],
      }),
    )
    .build();
}
