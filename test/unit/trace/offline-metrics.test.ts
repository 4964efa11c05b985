import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { Journal } from '../../../src/lifecycle/journal.ts';
import type { LifecycleRecord } from '../../../src/lifecycle/records.ts';
import { OFFLINE_METRICS, prometheusName } from '../../../src/trace/model/offline-metrics.ts';
import { metricsOf, OfflineMetrics } from '../../../src/trace/offline-metrics.ts';
import { spansOf } from '../../../src/trace/otlp-body.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';
import { useServer } from '../../support/use-server.ts';

const IDENTITY = { service: 'orders', instanceId: 'orders-1', generation: 7 };
const COVERAGE = { planned: 3, acked: 2, idle: 2, failed: 1, gone: 0, stranded: 0 };

/** Records an offline that lasts 70 ms after three seconds of traffic, in `journal`. */
function leave(journal: Journal, clock: SimulatedClock, result: 'success' | 'cancelled' = 'success'): void {
  const since = clock.wall() - 3_000;
  const root = journal.start('offline', { facts: { trigger: 'SIGTERM' } });
  const notify = journal.start('notify', { parent: root.ids });
  clock.stall(10);
  notify.end();
  journal.start('notify', { parent: root.ids }).end(); // A late caller.
  const drain = journal.start('drain', { parent: root.ids });
  clock.stall(50);
  drain.end({ requestsPerSecond: [4, 5, 6, 1], requestsSince: since });
  const stop = journal.start('stop', { parent: root.ids });
  clock.stall(10);
  stop.end({ forced: 2 });
  root.end({ ...COVERAGE, result, served: 9, afterAck: 1, unmanaged: 0 });
}

function metricsAfter(result?: 'cancelled') {
  const clock = new SimulatedClock();
  const begun = clock.wall();
  const records: LifecycleRecord[] = [];
  const journal = new Journal(clock);
  journal.subscribe((record) => records.push(record));
  leave(journal, clock, result);
  return { begun, metrics: new Map(metricsOf(spansOf(records, IDENTITY)).map(({ name, points }) => [name, points])) };
}

describe('the metrics of an offline', () => {
  test('requests of each second, at its time, and none at the end', () => {
    const { begun, metrics } = metricsAfter();
    expect(metrics.get('lossless.offline.requests')?.map(({ at, value }) => [at - begun, value])).toEqual([
      [-3_000, 4],
      [-2_000, 5],
      [-1_000, 6],
      [0, 1],
      [70, 0],
    ]);
  });

  test('its times and results', () => {
    const { begun, metrics } = metricsAfter();
    const result = { 'lossless.offline.result': 'success' };
    const of = (name: Parameters<typeof metrics.get>[0]) => metrics.get(name) ?? [];
    const cause = { ...result, 'lossless.offline.trigger': 'SIGTERM' };
    expect(of('lossless.offline.start_time')).toEqual([{ at: begun + 70, value: begun, attributes: cause }]);
    expect(of('lossless.offline.end_time')).toEqual([{ at: begun + 70, value: begun + 70, attributes: cause }]);
    const phases = of('lossless.offline.phase.duration').map(({ attributes, value }) => [
      ...Object.values(attributes),
      value,
    ]);
    expect(phases).toEqual([
      ['notify', 0.01],
      ['drain', 0.05],
      ['stop', 0.01],
    ]);
    expect(of('lossless.offline.phase.active').map(({ at, value }) => [at - begun, value])).toEqual([
      [0, 1],
      [10, 0],
      [10, 1],
      [60, 0],
      [60, 1],
      [70, 0],
    ]);
    expect(
      Object.fromEntries(
        of('lossless.offline.consumers').map(({ attributes, value }) => [
          attributes['lossless.consumers.outcome'],
          value,
        ]),
      ),
    ).toEqual(COVERAGE);
    expect(of('lossless.offline.requests.after_ack')).toEqual([{ at: begun + 70, value: 1, attributes: result }]);
    expect(of('lossless.offline.connections.cut')).toEqual([{ at: begun + 70, value: 2, attributes: result }]);
    expect([...metrics.keys()]).toEqual(Object.keys(OFFLINE_METRICS));
  });

  test('an offline that was undone has no end of its requests', () => {
    expect([...metricsAfter('cancelled').metrics.keys()]).toEqual(Object.keys(OFFLINE_METRICS).slice(1));
  });

  test('the names that Prometheus gives them', () => {
    expect(prometheusName('lossless.offline.requests')).toBe('lossless_offline_requests_per_second');
    expect(prometheusName('lossless.offline.end_time')).toBe('lossless_offline_end_time_milliseconds');
    expect(prometheusName('lossless.offline.phase.duration')).toBe('lossless_offline_phase_duration_seconds');
    expect(prometheusName('lossless.offline.consumers')).toBe('lossless_offline_consumers');
  });
});

/** A process whose collector answers with `status`. */
async function sending(status: number) {
  const seen: string[] = [];
  const said: string[] = [];
  const directory = useScratchFolder();
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    request.resume();
    request.once('end', () => response.writeHead(status).end());
  });
  const port = await useServer(server);
  const metrics = new OfflineMetrics({
    clock: systemClock,
    identity: () => IDENTITY,
    target: {
      signal: 'metrics',
      protocol: 'http/json',
      endpoint: new URL(`http://127.0.0.1:${port}/v1/metrics`),
      headers: {},
      compression: 'gzip',
      timeoutMs: 5_000,
      tls: {},
    },
    resource: {},
    spoolDir: directory,
    log: (level, message) => said.push(`${level}: ${message}`),
  });
  const clock = new SimulatedClock();
  const journal = new Journal(clock);
  journal.subscribe(metrics.sink);
  return { metrics, said, seen, leave: () => leave(journal, clock), spooled: () => readdirSync(directory) };
}

describe('the way of the metrics', () => {
  test('they go out once, in one request', async () => {
    const { leave: leaves, metrics, said, seen, spooled } = await sending(200);
    leaves();
    expect(await metrics.shutdown(2_000)).toEqual({
      exported: Object.keys(OFFLINE_METRICS).length,
      spooled: 0,
      lost: 0,
    });
    expect(seen).toEqual(['/v1/metrics']);
    expect([said, spooled()]).toEqual([[], []]);
  });

  test.each([404, 405, 415, 501])(
    'a collector without metrics (status %s) costs one log line, and no metrics wait for it',
    async (status) => {
      const { leave: leaves, metrics, said, spooled } = await sending(status);
      leaves();
      leaves();
      expect(await metrics.shutdown(2_000)).toMatchObject({ exported: 0, spooled: 0 });
      expect(said).toEqual([
        `info: the plugin drops metrics: the collector answered ${status}; set OTEL_METRICS_EXPORTER=none to send no metrics`,
      ]);
      expect(spooled()).toEqual([]);
    },
  );

  test('metrics that a collector cannot take now wait in the spool, under a name that older versions leave alone', async () => {
    const { leave: leaves, metrics, said, spooled } = await sending(503);
    leaves();
    expect(await metrics.shutdown(200)).toMatchObject({ exported: 0, lost: 0 });
    expect(said).toEqual(['warn: metrics could not be sent and are spooled: the collector answered 503']);
    expect(spooled()).toEqual([expect.stringMatching(/\.metrics$/)]);
  });
});
