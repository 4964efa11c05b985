import { type Dashboard, TextBoxVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { ATTR } from '../src/trace/model/schema.ts';
import { JAEGER, jaegerVariable } from './datasources.ts';
import { page } from './page.ts';
import { barsOfTable, rowsTable, waterfall } from './panels.ts';
import { jaegerQuery, ONE_TRACE } from './queries.ts';
import { spanBars, spanTable } from './span-table.ts';

/** One start, from its trace. */
export function oneStart(): Dashboard {
  const source = { datasource: JAEGER, targets: [jaegerQuery(ONE_TRACE)], unit: 'none' };
  return page(
    'lossless-start',
    'One start',
    'One start from its trace: what the instance waited for, and its share during the warm-up.',
  )
    .withVariable(jaegerVariable())
    .withVariable(new TextBoxVariableBuilder('traceId').label('Trace id').defaultValue(''))
    .withPanel(
      rowsTable({
        ...source,
        title: 'How it ended',
        description: 'The root of the trace. Empty while the instance starts or warms up.',
        width: 24,
        height: 4,
        transformations: spanTable('online', {
          instance: ATTR.instanceId,
          trigger: ATTR.onlineTrigger,
          result: ATTR.onlineResult,
          'readiness waits for': ATTR.readiness,
          error: ATTR.errorType,
        }),
      }),
    )
    .withPanel(waterfall({ ...source, title: 'Trace', description: 'Every step.', width: 24, height: 12 }))
    .withPanel(
      rowsTable({
        ...source,
        title: 'Confirmation of the registry',
        description: 'Time until the list of the registry had the instance.',
        width: 12,
        height: 5,
        transformations: spanTable('register.read_back', {
          calls: ATTR.registerAttempts,
          result: ATTR.registerResult,
          listed: ATTR.listed,
        }),
      }),
    )
    .withPanel(
      rowsTable({
        ...source,
        title: 'Warm-up',
        description: 'How the weight grew: (uptime / duration) to the power of the curve.',
        width: 12,
        height: 5,
        transformations: spanTable('warmup', {
          'seconds planned': ATTR.warmupDuration,
          curve: ATTR.warmupCurve,
          'seconds of a step': ATTR.warmupStep,
        }),
      }),
    )
    .withPanel(
      barsOfTable({
        ...source,
        unit: 'percentunit',
        title: 'Weight in each step of the warm-up',
        description: 'Part of its full weight that consumers gave the instance.',
        width: 12,
        height: 8,
        transformations: spanBars('warmup', ATTR.warmupWeights, { place: 'step', title: 'weight' }),
      }).xField('step'),
    )
    .withPanel(
      barsOfTable({
        ...source,
        title: 'Requests in each step of the warm-up',
        description:
          'Requests that the instance got. With an even load their form follows the weight beside this panel.',
        width: 12,
        height: 8,
        transformations: spanBars('warmup', ATTR.warmupRequests, { place: 'step', title: 'requests' }),
      }).xField('step'),
    )
    .build();
}
