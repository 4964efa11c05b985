import { describe, expect, test } from 'vitest';
import { labelOf, METRIC_DIMENSIONS } from '../../../collector/server/dimensions.ts';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { SpanMetrics } from '../../../collector/server/span-metrics.ts';
import { ATTRIBUTES } from '../../../src/trace/model/schema.ts';
import { hex, otlpBody, type SpanSpec, shutdownBodies } from '../../support/observe/otlp.ts';

const spec = (more: Partial<SpanSpec> = {}): SpanSpec => ({
  traceId: hex(16),
  spanId: hex(8),
  work: 'stop',
  start: 1_000,
  durationMs: 5,
  ...more,
});
const count = (metrics: SpanMetrics, service: string, specs: readonly SpanSpec[], now: number): void =>
  metrics.count(decodeOtlp(otlpBody(service, `${service}-1`, specs)).groups, now);
const lines = (text: string, start: string): readonly string[] =>
  text.split('\n').filter((line) => line.startsWith(start));

describe('span metrics', () => {
  test('a counter reads 0 for 15 s, so that increase() sees what came first; durations count at once', () => {
    const metrics = new SpanMetrics();
    count(metrics, 'a', [spec()], 0);
    count(metrics, 'a', [spec()], 10_000);
    const calls = (now: number) => lines(metrics.text('prometheus', now), 'traces_span_metrics_calls_total{')[0];
    expect(calls(14_999)).toMatch(/ 0$/);
    expect(calls(15_000)).toMatch(/ 2$/);
    expect(lines(metrics.text('prometheus', 0), 'traces_span_metrics_duration_milliseconds_count')[0]).toMatch(/ 2$/);
  });

  test('buckets hold durations up to their bound, also negative ones and an hour', () => {
    const metrics = new SpanMetrics();
    count(
      metrics,
      'a',
      [2, 2.001, -5, 3_600_000].map((durationMs) => spec({ durationMs })),
      0,
    );
    const text = metrics.text('prometheus', 0);
    const bucket = (le: string) =>
      Number(/ (\d+)$/.exec(text.split('\n').find((each) => each.includes(`le="${le}"`)) ?? '')?.[1]);
    expect(['2', '4', '15000', '+Inf'].map(bucket)).toEqual([2, 3, 3, 4]);
  });

  test('the number of series is bounded: further values share one series', () => {
    const metrics = new SpanMetrics();
    for (let n = 0; n < 2_100; n++) count(metrics, `service-${n}`, [spec()], 0);
    const calls = lines(metrics.text('prometheus', 60_000), 'traces_span_metrics_calls_total{');
    expect(calls).toHaveLength(2_001);
    expect(calls.at(-1)).toBe('traces_span_metrics_calls_total{otel_metric_overflow="true"} 100');
  });

  test('values of labels are cut and escaped; spans of others are not counted', () => {
    const metrics = new SpanMetrics();
    count(metrics, `q"\\\n${'x'.repeat(300)}`, [spec()], 0);
    const groups = decodeOtlp(otlpBody('b', 'b-1', [spec()]).replaceAll('lossless.stop', 'GET /lossless.stop')).groups;
    metrics.count(groups, 0);
    const text = metrics.text('prometheus', 60_000);
    expect(lines(text, 'traces_span_metrics_calls_total{')).toHaveLength(1);
    expect(text).toContain(`service_name="q\\"\\\\\\n${'x'.repeat(124)}"`);
  });

  test('OpenMetrics: the counter without _total in its type, floats as bounds, exemplars to the trace, and an end', () => {
    const metrics = new SpanMetrics();
    const one = spec();
    count(metrics, 'a', [one], 0);
    const text = metrics.text('openmetrics', 60_000);
    expect(text).toMatch(/# TYPE traces_span_metrics_calls counter\n/);
    expect(text).toMatch(/# EOF\n$/);
    const exemplar = `# {span_id="${one.spanId}",trace_id="${one.traceId}"} 5 0`;
    expect(lines(text, 'traces_span_metrics_calls_total{')[0]).toMatch(/ 1 # /);
    expect(text.split('\n').filter((line) => line.endsWith(exemplar))).toHaveLength(2);
    expect(text).toContain('le="6.0"} 1 #');
  });

  test('services of one name in two namespaces are two rows', () => {
    const metrics = new SpanMetrics();
    for (const namespace of ['shop', 'bank']) metrics.count(decodeOtlp(bodyOf(namespace)).groups, 0);
    const calls = lines(metrics.text('prometheus', 60_000), 'traces_span_metrics_calls_total{');
    expect(calls).toEqual(
      ['shop', 'bank'].map((namespace) =>
        expect.stringMatching(new RegExp(`job="${namespace}/a",.*service_namespace="${namespace}".*} 1$`)),
      ),
    );
  });

  test('dimensions are names of the schema, each one label, with those of a shutdown among them', () => {
    expect(METRIC_DIMENSIONS.filter((name) => !(name in ATTRIBUTES))).toEqual([
      'service.namespace',
      'deployment.environment.name',
    ]);
    expect(new Set(METRIC_DIMENSIONS.map(labelOf)).size).toBe(METRIC_DIMENSIONS.length);
    const metrics = new SpanMetrics();
    for (const body of shutdownBodies('a', 3, 1).bodies) metrics.count(decodeOtlp(body).groups, 0);
    const text = metrics.text('prometheus', 60_000);
    expect(text).toMatch(/calls_total\{[^}]*lossless_goaway_result="timeout",service_peer_name="caller"\} 1\n/);
    expect(text).toMatch(/lossless_offline_result="incomplete",lossless_fanout_complete="false"\} 1\n/);
  });
});

/** One span of the service `a` in a namespace. */
function bodyOf(namespace: string): string {
  const at = `"key":"service.name"`;
  const attribute = JSON.stringify({ key: 'service.namespace', value: { stringValue: namespace } });
  return otlpBody('a', 'a-1', [spec()]).replace(`{${at}`, `${attribute},{${at}`);
}
