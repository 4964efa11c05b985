import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { ATTR } from '../src/trace/model/schema.ts';
import { jaegerVariable, PROMETHEUS, prometheusVariable } from './datasources.ts';
import { INSTANCE, own, requestRate } from './instance-metrics.ts';
import { choiceOf, page } from './page.ts';
import { curves } from './panels.ts';
import { MOST, most } from './picture.ts';
import { curve, last } from './queries.ts';
import { calls, SERVICE } from './span-metrics.ts';
import { meanDurations, open, overTime, slowestDurations, tally, traces } from './span-panels.ts';

/** The parts of a start; the start itself last. */
const PHASES: readonly WorkName[] = [
  'delay',
  'probe',
  'preconnect',
  'register',
  'register.read_back',
  'warmup',
  'online',
];

/** A warming instance has less than the others. */
const WEIGHT = `bottomk(${MOST}, max by (${SERVICE}, ${INSTANCE}) (${own('lossless_weight')}))`;

/** A service without requests has no shares. */
const SHARE = most(
  `${requestRate([SERVICE, INSTANCE])} / on (${SERVICE}) group_left () (${requestRate([SERVICE])} > 0)`,
);

/** How the instances of all services came online. */
export function starts(): Dashboard {
  return page('lossless-starts', 'Online', 'How instances came online: results, durations, and every trace.')
    .withVariable(prometheusVariable())
    .withVariable(jaegerVariable())
    .withVariable(choiceOf('service', 'Service', `label_values(${calls('online.started')}, ${SERVICE})`))
    .withPanel(
      tally(
        {
          title: 'Starts by result',
          description: 'Starts that ended. cancelled: an offline began before the instance had its full share.',
          width: 8,
          height: 5,
        },
        'online',
        ATTR.onlineResult,
      ),
    )
    .withPanel(
      tally(
        {
          title: 'Registry confirmations',
          description:
            'Starts whose instance the registry listed when the plugin read the list back. When this is less than all starts, some still wait for the registry.',
          width: 6,
          height: 5,
        },
        'register.read_back',
        ATTR.registerResult,
      ),
    )
    .withPanel(
      open(
        {
          title: 'Still starting or warming',
          description:
            'Starts that began and have not ended: the instance waits for the application or the registry, warms up, or its process ended.',
          width: 10,
          height: 5,
        },
        'online.started',
        'online',
      ),
    )
    .withPanel(
      overTime(
        {
          title: 'Starts over time',
          description:
            'When instances had their full share, by the cause of the start. undo: an operator undid an offline.',
          width: 12,
          height: 8,
        },
        'online',
        ATTR.onlineTrigger,
      ),
    )
    .withPanel(
      meanDurations(
        {
          title: 'Mean duration by part',
          description: 'Mean time of each part and of the whole start. Most of a start is its warm-up.',
          width: 6,
          height: 8,
        },
        PHASES,
      ),
    )
    .withPanel(
      slowestDurations(
        {
          title: 'Slowest twentieth by part',
          description: '95th percentile of each part and of the whole start, to the precision of the buckets.',
          width: 6,
          height: 8,
        },
        PHASES,
      ),
    )
    .withPanel(
      curves({
        title: 'Weight of warming instances',
        description:
          'Part of its full share that consumers should give each instance, from the metrics of that instance. Compare it with the share beside this panel.',
        unit: 'percentunit',
        datasource: PROMETHEUS,
        width: 12,
        height: 8,
        targets: [curve(WEIGHT, `{{${SERVICE}}} {{${INSTANCE}}}`)],
      }).max(1),
    )
    .withPanel(
      curves({
        title: 'Share of the requests by instance',
        description:
          'Part of the requests of its service that each instance got. The share of a warming instance rises to that of the others.',
        unit: 'percentunit',
        datasource: PROMETHEUS,
        width: 12,
        height: 8,
        targets: [curve(SHARE, `{{${SERVICE}}} {{${INSTANCE}}}`)],
      }).max(1),
    )
    .withPanel(
      traces(
        {
          title: 'Last starts of $service',
          description: 'The trace of each; a click on its id shows that start.',
          width: 24,
          height: 9,
        },
        'lossless-start',
        [last('online')],
      ),
    )
    .build();
}
