import { describe, expect, test } from 'vitest';
import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { lossless } from '../support/process/cli.ts';
import { jaegerMissing, startJaeger } from '../support/servers/jaeger.ts';
import { useStarted } from '../support/use-started.ts';

const missing = jaegerMissing();
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('a real Jaeger', () => {
  const jaeger = useStarted(() => startJaeger());

  test('the fleet of the demo exports to it, and every shutdown is one whole tree across processes', async () => {
    const options = [
      '--json',
      '--seconds',
      '16',
      '--rate',
      '40',
      '--otlp',
      jaeger().otlpUrl,
      '--jaeger',
      jaeger().queryUrl,
    ];
    const { stdout, stderr, code } = await lossless(['demo', ...options]);
    expect(code, `${stderr}${stdout}`).toBe(0);
    const report = JSON.parse(stdout) as {
      gray: { failed: number; shutdowns: number };
      traces: { traceId: string; service: string; result: string; planned: number }[];
    };
    expect(report.gray.failed).toBe(0);
    expect(report.traces).toHaveLength(report.gray.shutdowns);
    const client = new JaegerClient(new URL(jaeger().queryUrl));
    for (const { traceId, service, result, planned } of report.traces) {
      const found = await client.search({
        service,
        operation: 'lossless.offline',
        tags: { 'lossless.offline.result': result },
        limit: 100,
      });
      const trace = found.find((each) => each.traceId === traceId);
      expect(trace, `search by service and result finds ${traceId}`).toBeDefined();
      if (trace === undefined) continue;
      expect(assess(trace)).toMatchObject({ whole: true, orphans: 0, planned, refreshes: planned });
      expect(trace.spans.filter((span) => span.parentSpanId === '')).toHaveLength(1);
      if (planned > 0) expect(new Set(trace.spans.map((span) => span.service)).size).toBe(2);
    }
    for (const service of new Set(report.traces.map((trace) => trace.service))) {
      const expected = report.traces.filter((trace) => trace.service === service).length;
      const gate = ['verify', '--service', service, '--since', '10m', '--url', jaeger().queryUrl, '--expect'];
      expect(await lossless([...gate, `${expected}`])).toMatchObject({ code: 0 });
      expect(await lossless([...gate, `${expected + 1}`])).toMatchObject({ code: 2 });
    }
  }, 180_000);

  test('lossless verify reads more shutdowns than one search answers, and sees the one that was not lossless', async () => {
    const now = Date.now();
    const bodies = [...Array(250).keys()].flatMap((n) => shutdownBodies('many', 1, 0, now - 60_000 + n * 10).bodies);
    await sendOtlp(jaeger().otlpUrl, bodies);
    const gate = ['verify', '--service', 'many', '--since', '1h', '--url', jaeger().queryUrl, '--expect', '250'];
    expect(await lossless(gate)).toMatchObject({ code: 0 });
    await sendOtlp(jaeger().otlpUrl, shutdownBodies('many', 2, 1, now - 61_000).bodies);
    expect(await lossless(gate)).toMatchObject({ code: 1 });
  });

  test('lossless inspect finds the latest shutdown in it, and one by its id', async () => {
    const { traceId, bodies } = shutdownBodies('inspected', 30, 2, Date.now() - 1_000);
    await sendOtlp(jaeger().otlpUrl, bodies);
    for (const named of [[traceId], ['--service', 'inspected'], []]) {
      const { stdout, code } = await lossless(['inspect', ...named, '--url', jaeger().queryUrl]);
      expect(code).toBe(1);
      expect(stdout).toContain(`trace ${traceId}: 65 spans, whole`);
      expect(stdout).toContain('incomplete, 28 of 30 consumers acked');
      expect(stdout).toContain('caller-0 was not told');
    }
  });

  test('an unknown trace and a service that never left are told apart from a bad shutdown', async () => {
    for (const named of [['f'.repeat(32)], ['xyz'], ['--service', 'nobody']]) {
      const { stderr, code } = await lossless(['inspect', ...named, '--url', jaeger().queryUrl]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^LOSSLESS_(TRACE_NOT_FOUND|USAGE): /);
    }
  });
});
