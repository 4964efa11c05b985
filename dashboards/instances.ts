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

/** Traffic of every instance, beside its states and moves. */
export function instances(): Dashboard {
  return page(
    'lossless-instances',
    'Traffic and lifecycle per instance',
    'Requests of each instance, and when instances left and came: the traffic of an instance must end before the instance stops.',
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
          'Requests of each second. An instance that has left reports its own requests, second by second, from a minute before its shutdown. The curves of other instances come from scrapes. A red line marks the beginning of an offline: the curve of that instance falls behind the line and ends at 0.',
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
          'State of each instance at each scrape. For an instance that has left, to the millisecond: when it told its consumers, drained and stopped.',
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
          'Includes killed instances, which report nothing themselves. The curve of an instance that is gone stays at its last level until the next scrape; the panel above shows how it fell.',
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
        description:
          'Requests that the instance has accepted and not finished. The instance waits for them before it stops.',
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
        description: 'Consumers that would get a GoAway if the instance left now, by their service.',
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
          'Requests of callers without the plugin in the time range of the dashboard. A leaving instance cannot tell these callers.',
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
        description:
          'Received GoAways by result. forbidden and invalid: the sender has no right to this GoAway, or sent a malformed one.',
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
        description: 'Instances that each process avoids because they leave.',
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
          'Open connections of balancers, proxies and other callers. In an offline their number must fall to 0 before the instance stops.',
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
          'Health checks of balancers and platforms, by answer. A failing answer tells a balancer that the instance leaves; a balancer without checks does not learn of it.',
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
          'Idle connections of callers without the plugin that the server closed: a request may have been on its way. Set LOSSLESS_KEEP_ALIVE_MS above the idle time-out of the proxy.',
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
          'Share of the calls to a service that each instance gets from the consumer that sends it most. When two curves lie far apart, one instance gets too much. Prometheus needs a token to read these numbers.',
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
        description: 'Requests that consumers sent to a leaving instance because the service had no other instance.',
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
