import { describe, expect, test } from 'vitest';
import { prometheusName } from '../../src/trace/model/offline-metrics.ts';
import { ATTR } from '../../src/trace/model/schema.ts';
import { metricsBody } from '../../src/trace/otlp-body.ts';
import { useClosing } from '../support/closing.ts';
import { lossless } from '../support/process/cli.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { freePort, serverMissing } from '../support/servers/built.ts';
import { OtelCollector } from '../support/servers/otel-collector.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('prometheus', 'collector');
if (missing) console.warn(`skipped: ${missing}`);

const CURVE = prometheusName('lossless.offline.requests');
const END = prometheusName('lossless.offline.end_time');
const IDENTITY = 'service.namespace=shop,service.version=2.1.0,deployment.environment.name=test';

describe.skipIf(missing)('the metrics of an offline in a real Prometheus', () => {
  const world = useWorld();
  const run = useClosing();
  const prometheusOf = () => run(Prometheus.start({ metricsUrls: [] }));

  /** A provider that serves 40 requests a second for some seconds and leaves. */
  async function leaving(env: Readonly<Record<string, string>>): Promise<Service> {
    const provider = await world().service('provider', { env: { OTEL_RESOURCE_ATTRIBUTES: IDENTITY, ...env } });
    const caller = await world().caller('http://provider/', 40);
    await world().called(provider, 100);
    await caller.stop();
    await world().leave(provider);
    return provider;
  }

  /** Checks that the stored metrics of the offline agree with its trace. */
  async function agree(prometheus: Prometheus, provider: Service): Promise<void> {
    const trace = await world().trace(provider);
    const [root] = spansOf(trace, 'offline');
    const [drain] = spansOf(trace, 'drain');
    const since = Number(drain?.tags[ATTR.requestsSince]);
    const perSecond = JSON.parse(String(drain?.tags[ATTR.requestsPerSecond])) as readonly number[];
    await until(async () => (await prometheus.points(CURVE)).length > 0);
    const [curve, ...others] = await prometheus.points(CURVE);
    expect(others).toEqual([]);
    expect(curve?.points.slice(0, -1)).toEqual(perSecond.map((count, second) => [since + second * 1_000, count]));
    expect(Math.max(...perSecond)).toBeGreaterThan(20);
    const end = (root?.start ?? 0) + (root?.durationMs ?? 0);
    const [at = 0, last] = curve?.points.at(-1) ?? [];
    expect(last).toBe(0);
    expect(Math.abs(at - end)).toBeLessThanOrEqual(2);
    expect(curve?.labels).toMatchObject({
      job: 'shop/provider',
      service_name: 'provider',
      service_namespace: 'shop',
      service_version: '2.1.0',
      deployment_environment_name: 'test',
      instance: root?.tags[ATTR.instanceId],
    });
    const [ended] = await prometheus.points(END);
    expect(ended?.labels).toMatchObject({ lossless_offline_result: 'success', lossless_offline_trigger: 'SIGTERM' });
    expect(Math.abs((ended?.points[0]?.[1] ?? 0) - end)).toBeLessThanOrEqual(1);
    // As a dashboard asks: a value each second.
    const [drawn] = await prometheus.queryRange(`${CURVE}{service_name="provider"}`, since / 1_000, at / 1_000 + 5, 1);
    expect(drawn?.values.slice(-4)).toEqual([0, 0, 0, 0]);
    expect(drawn?.values.slice(0, perSecond.length)).toEqual(perSecond);
    const [draining] = await prometheus.query(
      `max_over_time(${prometheusName('lossless.offline.phase.active')}{lossless_offline_phase="drain"}[1h])`,
    );
    expect(draining?.value).toBe(1);
  }

  test('its OTLP receiver: the requests of each second at their times, then 0, and no trace is needed', async () => {
    const prometheus = await prometheusOf();
    await agree(prometheus, await leaving({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: prometheus.otlpUrl }));
  }, 60_000);

  test('by the gateway', async () => {
    const prometheus = await prometheusOf();
    const gateway = await run(
      OtelCollector.start({
        files: ['gateway'],
        env: { PROMETHEUS_OTLP_URL: prometheus.otlpUrl.replace('/v1/metrics', '') },
      }),
    );
    await agree(prometheus, await leaving({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${gateway.otlpUrl}/v1/metrics` }));
  }, 60_000);

  test('no receiver is there when the instance leaves: the spool is sent later, with the original times', async () => {
    const port = await freePort();
    const provider = await leaving({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `http://127.0.0.1:${port}/v1/metrics` });
    const prometheus = await prometheusOf();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: prometheus.otlpUrl };
    const said = await lossless(['replay', '--all', '--dir', world().spoolDir], env);
    expect(said).toMatchObject({ code: 0, stdout: expect.stringContaining('metrics: 1 sent to 127.0.0.1') });
    await agree(prometheus, provider);
  }, 60_000);

  test('points of hours ago are taken: the window of the configuration is a day', async () => {
    const prometheus = await prometheusOf();
    const send = async (instance: string, at: number): Promise<number> => {
      const points = [{ at, value: at, attributes: { [ATTR.offlineResult]: 'success' } }];
      const resource = { 'service.name': 'late', 'service.instance.id': instance };
      const body = JSON.stringify(metricsBody(resource, [{ name: 'lossless.offline.end_time', points }]));
      const headers = { 'content-type': 'application/json' };
      return (await fetch(prometheus.otlpUrl, { method: 'POST', body, headers })).status;
    };
    const now = Date.now();
    expect(await send('now', now)).toBe(200);
    expect(await send('three hours ago', now - 3 * 3_600_000)).toBe(200);
    const stored = await prometheus.points(`${END}{service_name="late"}`);
    expect(stored.map(({ points }) => points)).toEqual(
      expect.arrayContaining([[[now, now]], [[now - 3 * 3_600_000, now - 3 * 3_600_000]]]),
    );
    expect(await send('two days ago', now - 48 * 3_600_000)).toBe(400);
  });
});
