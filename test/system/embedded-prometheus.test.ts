import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { useClosing } from '../support/closing.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Prometheus, prometheusProgram } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const CALLS = 'traces_span_metrics_calls_total';

describe.skipIf(missing)('a real Prometheus on the embedded collector', () => {
  const run = useClosing();
  const collectorOf = () => run(embeddedCollector());

  test('increase() counts each shutdown once from the first on, exemplars lead to their traces, the alerts fire', async () => {
    const collector = await collectorOf();
    const prometheus = await run(
      Prometheus.start({
        metricsUrls: [`${collector.queryUrl}/metrics`],
        scrapeInterval: '500ms',
        evaluationInterval: '1s',
      }),
    );
    const shutdowns = [...Array(20).keys()].map((n) => shutdownBodies('counted', 5, n < 3 ? 2 : 0));
    await sendOtlp(
      collector.otlpUrl,
      shutdowns.flatMap(({ bodies }) => bodies),
    );
    const roots = (wrapped: string): Promise<readonly { value: number; labels: object }[]> =>
      prometheus.query(`sum by (lossless_offline_result) (${wrapped})`);
    const all = `${CALLS}{span_name="lossless.offline"}`;
    await until(async () => (await roots(all)).some(({ value }) => value === 17), 40_000);
    expect(await roots(all)).toContainEqual({ labels: { lossless_offline_result: 'incomplete' }, value: 3 });
    // A series that began with its first value would increase by nothing.
    await until(async () => (await roots(`increase(${all}[2m])`)).every(({ value }) => value > 2.5));
    const known = new Set(shutdowns.map(({ traceId }) => traceId));
    const exemplars = await prometheus.exemplars(`${CALLS}{lossless_offline_result="incomplete"}`);
    expect(exemplars.length).toBeGreaterThan(0);
    expect(exemplars.every((labels) => known.has(labels['trace_id'] ?? ''))).toBe(true);
    await until(async () =>
      (await prometheus.alerts()).some(
        ({ labels, state }) =>
          labels['alertname'] === 'LosslessFanOutIncomplete' &&
          labels['service_name'] === 'counted' &&
          state === 'firing',
      ),
    );
  }, 90_000);

  test('promtool reads it: its only remarks are about the names of the spanmetrics connector', async () => {
    const collector = await collectorOf();
    await sendOtlp(collector.otlpUrl, shutdownBodies('checked', 5, 2).bodies);
    const text = await (await fetch(`${collector.queryUrl}/metrics`)).text();
    const { stdout, stderr } = spawnSync(prometheusProgram('promtool'), ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    const remarks = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
    expect(remarks.filter((line) => !/use base unit "seconds" instead of "milliseconds"/.test(line))).toEqual([]);
  });
});
