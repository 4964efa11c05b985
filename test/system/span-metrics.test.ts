import { describe, expect, test } from 'vitest';
import { useClosing } from '../support/closing.ts';
import { missingIn } from '../support/observe/delivery.ts';
import { otlpBody, sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { Alertmanager } from '../support/servers/alertmanager.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const CALLS = 'traces_span_metrics_calls_total';

describe.skipIf(missing)('span metrics of Jaeger in Prometheus', () => {
  const run = useClosing();
  const prometheusOf = (jaeger: OwnJaeger, alertmanager?: Alertmanager): Promise<Prometheus> =>
    run(
      Prometheus.start({
        metricsUrls: [jaeger.metricsUrl],
        scrapeInterval: '500ms',
        evaluationInterval: '1s',
        ...(alertmanager && { alertmanagerUrl: alertmanager.url }),
      }),
    );

  test.each([{ files: [] }, { files: ['badger'] }] as const)(
    'Jaeger with $files: every lossless span is counted once, instances together',
    async ({ files }) => {
      const jaeger = await run(OwnJaeger.start({ with: files }));
      const prometheus = await prometheusOf(jaeger);
      const shutdowns = [...Array(20).keys()].map((n) => shutdownBodies('counted', 5, n < 3 ? 2 : 0));
      await sendOtlp(
        jaeger.otlpUrl,
        shutdowns.flatMap(({ bodies }) => bodies),
      );
      await until(
        async () => (await goAways(prometheus, 'acked')) === 94 && (await goAways(prometheus, 'timeout')) === 6,
      );
      const roots = (result: string): Promise<number | undefined> =>
        valueIn(prometheus, `sum(${CALLS}{span_name="lossless.offline", lossless_offline_result="${result}"})`);
      await until(async () => (await roots('success')) === 17 && (await roots('incomplete')) === 3);
      const drains = 'sum(traces_span_metrics_duration_milliseconds_count{span_name="lossless.drain"})';
      await until(async () => (await valueIn(prometheus, drains)) === 20);
      // Nothing is counted later.
      const flushed = Date.now() + 3_000;
      await until(() => Date.now() >= flushed);
      expect(await goAways(prometheus, 'acked')).toBe(94);
      expect(await roots('success')).toBe(17);
    },
  );

  test.each([{ files: [] }, { files: ['badger'] }] as const)(
    'Jaeger with $files: spans that come twice are shown once and counted twice',
    async ({ files }) => {
      const jaeger = await run(OwnJaeger.start({ with: files }));
      const prometheus = await prometheusOf(jaeger);
      const twice = shutdownBodies('twice', 2);
      await sendOtlp(jaeger.otlpUrl, [...twice.bodies, ...twice.bodies]);
      expect(await missingIn(jaeger.queryUrl, [twice])).toEqual([]);
      await until(async () => (await goAways(prometheus, 'acked')) === 4);
    },
  );

  test('series keep their own labels; spans of others have none', async () => {
    const jaeger = await run(OwnJaeger.start());
    const prometheus = await prometheusOf(jaeger);
    const { bodies } = shutdownBodies('labelled', 1);
    const other = otlpBody('labelled', 'labelled-1', []).replace(
      '"spans":[]',
      `"spans":[${JSON.stringify({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), name: 'GET /', kind: 2, startTimeUnixNano: '1', endTimeUnixNano: '2' })}]`,
    );
    await sendOtlp(jaeger.otlpUrl, [other, ...bodies]);
    await until(async () => (await goAways(prometheus, 'acked')) === 1);
    const samples = await prometheus.query(`{__name__=~"traces_span_metrics_.*"}`);
    expect(samples.map(({ labels }) => labels['span_name']).filter((name) => !name?.startsWith('lossless.'))).toEqual(
      [],
    );
    const names = samples.flatMap(({ labels }) => Object.keys(labels));
    expect(names.filter((name) => name.startsWith('exported_'))).toEqual([]);
    expect(new Set(samples.map(({ labels }) => labels['job']))).toEqual(new Set(['labelled', 'caller']));
  });

  test('services of one name in two namespaces, or two environments, are two rows', async () => {
    const jaeger = await run(OwnJaeger.start());
    const prometheus = await prometheusOf(jaeger);
    const places = [
      ['shop', 'live'],
      ['shop', 'test'],
      ['bank', 'live'],
    ] as const;
    for (const [namespace, environment] of places) {
      const more = [
        { key: 'service.namespace', value: { stringValue: namespace } },
        { key: 'deployment.environment.name', value: { stringValue: environment } },
      ];
      const body = JSON.parse(shutdownBodies('same', 0).bodies[0] ?? '');
      body.resourceSpans[0].resource.attributes.push(...more);
      await sendOtlp(jaeger.otlpUrl, [JSON.stringify(body)]);
    }
    const by = 'service_name, service_namespace, deployment_environment_name';
    const rows = `sum by (${by}) (${CALLS}{span_name="lossless.offline"})`;
    await until(async () => (await prometheus.query(rows)).filter(({ value }) => value === 1).length === 3);
    expect((await prometheus.query(rows)).map(({ labels }) => labels)).toEqual(
      expect.arrayContaining(
        places.map(([namespace, environment]) => ({
          service_name: 'same',
          service_namespace: namespace,
          deployment_environment_name: environment,
        })),
      ),
    );
  });

  test('an unacknowledged GoAway becomes a message that leads to its trace', async () => {
    const jaeger = await run(OwnJaeger.start());
    const alertmanager = await run(Alertmanager.start());
    const prometheus = await prometheusOf(jaeger, alertmanager);
    const fine = shutdownBodies('fine', 3, 0);
    const bad = shutdownBodies('bad', 3, 1);
    await sendOtlp(jaeger.otlpUrl, [...fine.bodies, ...bad.bodies]);
    await until(() => alertmanager.notified.length > 0);
    const [message] = alertmanager.notified;
    expect(message).toMatchObject({
      status: 'firing',
      labels: { alertname: 'LosslessFanOutIncomplete', service_name: 'bad', service_peer_name: 'caller' },
    });
    expect(await prometheus.exemplars(`${CALLS}{span_name="lossless.goaway", service_name="bad"}`)).toContainEqual(
      expect.objectContaining({ trace_id: bad.traceId }),
    );
    expect(alertmanager.notified.filter(({ labels }) => labels['service_name'] === 'fine')).toEqual([]);
  });
});

/** How many GoAways ended so. */
function goAways(prometheus: Prometheus, result: string): Promise<number | undefined> {
  return valueIn(prometheus, `sum(${CALLS}{span_name="lossless.goaway", lossless_goaway_result="${result}"})`);
}

/** The value of a query that has one or none. */
async function valueIn(prometheus: Prometheus, expression: string): Promise<number | undefined> {
  const [sample] = await prometheus.query(expression);
  return sample?.value;
}
