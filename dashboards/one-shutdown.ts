import { type Dashboard, TextBoxVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { ATTR } from '../src/trace/model/schema.ts';
import { JAEGER, jaegerVariable } from './datasources.ts';
import { page } from './page.ts';
import { barsOfTable, rowsTable, waterfall } from './panels.ts';
import { jaegerQuery, ONE_TRACE } from './queries.ts';
import { spanBars, spanTable } from './span-table.ts';

/** One shutdown, from its trace. */
export function oneShutdown(): Dashboard {
  const source = { datasource: JAEGER, targets: [jaegerQuery(ONE_TRACE)] };
  return page(
    'lossless-shutdown',
    'One shutdown',
    'One shutdown from its trace: its GoAways, the answer of the registry, and its traffic until the instance stopped.',
  )
    .withVariable(jaegerVariable())
    .withVariable(new TextBoxVariableBuilder('traceId').label('Trace id').defaultValue(''))
    .withPanel(
      rowsTable({
        ...source,
        title: 'How it ended',
        description: 'The root of the trace. Empty while the shutdown runs, and for ever when the process was killed.',
        unit: 'none',
        width: 24,
        height: 4,
        transformations: spanTable('offline', {
          instance: ATTR.instanceId,
          trigger: ATTR.trigger,
          result: ATTR.offlineResult,
          'consumers planned': ATTR.fanoutPlanned,
          acked: ATTR.fanoutAcked,
          idle: ATTR.fanoutIdle,
          failed: ATTR.fanoutFailed,
          'served meanwhile': ATTR.served,
          'after ack': ATTR.afterAck,
          unmanaged: ATTR.unmanaged,
          error: ATTR.errorType,
        }),
      }),
    )
    .withPanel(
      waterfall({
        ...source,
        title: 'Trace',
        description: 'Every step, here and in the consumers.',
        unit: 'none',
        width: 24,
        height: 18,
      }),
    )
    .withPanel(
      rowsTable({
        ...source,
        title: 'Fan-out',
        description: 'One row for each consumer that the instance sends a GoAway.',
        unit: 'none',
        width: 12,
        height: 9,
        transformations: spanTable('goaway', {
          consumer: ATTR.peerService,
          instance: ATTR.consumerInstanceId,
          host: ATTR.serverAddress,
          port: ATTR.serverPort,
          result: ATTR.goawayResult,
          calls: ATTR.attemptCount,
          status: ATTR.statusCode,
          error: ATTR.errorType,
        }),
      }),
    )
    .withPanel(
      rowsTable({
        ...source,
        title: 'Address lists after refresh',
        description: 'Instances that each consumer can call after the GoAway. The leaving instance must be missing.',
        unit: 'none',
        width: 12,
        height: 9,
        transformations: spanTable('consumer.refresh', {
          consumer: ATTR.service,
          'consumer instance': ATTR.instanceId,
          leaves: ATTR.providerAddress,
          isolated: ATTR.isolated,
          result: ATTR.refreshResult,
          before: ATTR.addressCountBefore,
          after: ATTR.addressCount,
          addresses: ATTR.addresses,
        }),
      }),
    )
    .withPanel(
      rowsTable({
        ...source,
        title: 'Registry answer',
        description:
          'The answer of the registry to the deregistration, and whether the registry still lists the instance.',
        unit: 'none',
        width: 8,
        height: 8,
        transformations: spanTable('deregister', {
          registry: ATTR.registryType,
          address: ATTR.registryAddress,
          answer: ATTR.deregisterResult,
          'listed after': ATTR.listedAfter,
          error: ATTR.errorType,
        }),
      }),
    )
    .withPanel(
      rowsTable({
        ...source,
        title: 'Drain',
        description: 'What the instance waited for until all traffic had ended, and how that wait ended.',
        unit: 'none',
        width: 8,
        height: 8,
        transformations: spanTable('drain', {
          result: ATTR.drainResult,
          'in flight at first': ATTR.inflightStart,
          'in flight at the end': ATTR.inflightEnd,
          'idle consumers': ATTR.consumersIdle,
          'quiet s': ATTR.quiet,
          'hold s': ATTR.hold,
          'hold because': ATTR.holdReason,
          'longest stall s': ATTR.longestStall,
        }),
      }),
    )
    .withPanel(
      barsOfTable({
        ...source,
        title: 'Traffic until it stopped',
        description:
          'Requests in each second, from at most 30 s before the shutdown to its end. The last bars must be 0.',
        unit: 'reqps',
        width: 8,
        height: 8,
        transformations: spanBars('drain', ATTR.requestsPerSecond, { place: 'second', title: 'requests per second' }),
      }).xField('second'),
    )
    .build();
}
