import { describe, expect, test } from 'vitest';
import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { assess, type Verdict } from '../../src/trace/model/verdict.ts';
import { useClosing } from '../support/closing.ts';
import { useWorld } from '../support/process/world.ts';
import { Alertmanager } from '../support/servers/alertmanager.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { OtelCollector } from '../support/servers/otel-collector.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'collector', 'prometheus', 'alertmanager');
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('what compose.yaml starts, with agents before it', () => {
  const run = useClosing();
  const world = useWorld();

  test('instances with real callers leave: whole traces of three processes, counts that agree, no alert', async () => {
    const jaeger = await run(OwnJaeger.start({ with: ['badger'] }));
    const gateway = await run(OtelCollector.start({ files: ['gateway'], env: { JAEGER_OTLP_URL: jaeger.otlpUrl } }));
    const agent = await run(
      OtelCollector.start({ files: ['agent'], env: { COLLECTOR_GATEWAYS: `[${gateway.grpcAddress}]` } }),
    );
    const alertmanager = await run(Alertmanager.start());
    const prometheus = await run(
      Prometheus.start({
        metricsUrls: [jaeger.metricsUrl],
        alertmanagerUrl: alertmanager.url,
        scrapeInterval: '500ms',
        evaluationInterval: '1s',
      }),
    );
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: agent.otlpUrl, LOSSLESS_GOAWAY_TIMEOUT_MS: '5000' };
    const first = await world().service('shop', { env });
    const second = await world().service('shop', { env });
    for (let n = 0; n < 2; n++) await world().caller('http://shop/', 10, { name: 'till', env });
    await world().called(first, 10);
    await world().leave(first);
    await world().service('shop', { env });
    await world().called(second, 10);
    await world().leave(second);

    const client = new JaegerClient(new URL(jaeger.queryUrl));
    const verdicts: Verdict[] = [];
    for (const service of [first, second]) {
      const traceId = world().traceId(service);
      const verdict = async (): Promise<Verdict> => assess(await client.trace(traceId));
      await until(async () => (await verdict().catch(() => undefined))?.whole === true);
      verdicts.push(await verdict());
    }
    expect(verdicts).toMatchObject([{ result: 'success' }, { result: 'success', planned: 2, acked: 2, refreshes: 2 }]);

    const count = async (selector: string): Promise<number> => {
      const [sample] = await prometheus.query(`sum(traces_span_metrics_calls_total{${selector}})`);
      return sample?.value ?? 0;
    };
    await until(async () => (await count('span_name="lossless.offline"')) === 2);
    const acked = verdicts.reduce((sum, verdict) => sum + verdict.acked, 0);
    await until(async () => (await count('span_name="lossless.goaway", lossless_goaway_result="acked"')) === acked);
    expect(alertmanager.notified).toEqual([]);
  }, 240_000);
});
