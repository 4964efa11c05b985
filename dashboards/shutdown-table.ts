import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { labelOf } from '../collector/server/dimensions.ts';
import { OFFLINE_RESULTS } from '../src/lifecycle/outcomes.ts';
import { POINT_ATTR } from '../src/trace/model/offline-metrics.ts';
import { ATTR } from '../src/trace/model/schema.ts';
import { wordsInColor } from './colors.ts';
import { PROMETHEUS } from './datasources.ts';
import { INSTANCE, left } from './instance-metrics.ts';
import { rowsTable } from './panels.ts';
import { rows } from './queries.ts';
import { SERVICE } from './span-metrics.ts';

const RESULT = labelOf(ATTR.offlineResult);

/** Labels that identify one shutdown. */
const BY = [SERVICE, 'service_version', INSTANCE, RESULT];

/** Most rows; older shutdowns are left out. */
const MOST = 100;

/** A value that instances sent in the time range of the dashboard. */
const sent = (...[metric, matches]: Parameters<typeof left>): string =>
  `max by (${BY.join(', ')}) (last_over_time(${left(metric, matches)}[$__range]))`;

const ENDED = `topk(${MOST}, ${sent('lossless.offline.end_time')})`;

const consumers = (outcome: string): string =>
  sent('lossless.offline.consumers', { [labelOf(POINT_ATTR.outcome)]: outcome });

/** Every shutdown that ended, from the metrics that instances send. The table needs no span. */
export function shutdownTable(): Builder<Panel> {
  return rowsTable({
    title: 'Shutdowns',
    description: `The last ${MOST} shutdowns that ended: version, instance, result, duration, share of the consumers that acknowledged, and requests after an acknowledgement. Colours mark the worst values. A killed instance sent nothing and is not here.`,
    unit: 'none',
    datasource: PROMETHEUS,
    width: 24,
    height: 9,
    targets: [
      rows(ENDED),
      rows(`(${sent('lossless.offline.end_time')} - ${sent('lossless.offline.start_time')}) and ${ENDED}`),
      rows(`${consumers('acked')} / (${consumers('planned')} > 0) and ${ENDED}`),
      rows(`${consumers('planned')} and ${ENDED}`),
      rows(`${sent('lossless.offline.requests.after_ack')} and ${ENDED}`),
    ],
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          renameByName: {
            [SERVICE]: 'service',
            service_version: 'version',
            [RESULT]: 'result',
            'Value #A': 'ended',
            'Value #B': 'duration',
            'Value #C': 'coverage',
            'Value #D': 'consumers',
            'Value #E': 'after ack',
          },
        },
      },
      { id: 'sortBy', options: { sort: [{ field: 'ended', desc: true }] } },
    ],
  })
    .overrideByName('result', wordsInColor(OFFLINE_RESULTS))
    .overrideByName('ended', [{ id: 'unit', value: 'dateTimeAsIso' }])
    .overrideByName('duration', [{ id: 'unit', value: 'ms' }])
    .overrideByName('coverage', [{ id: 'unit', value: 'percentunit' }]);
}
