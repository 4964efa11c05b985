import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Collector, startCollector } from '../../collector/server.ts';
import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { assess } from '../../src/cli/verdict.ts';
import { type Jaeger, jaegerMissing, startJaeger } from '../support/jaeger.ts';
import { shutdownBodies } from '../support/otlp.ts';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

const missing = jaegerMissing();
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('a real Jaeger', () => {
  let jaeger: Jaeger;
  let embedded: Collector;

  beforeAll(async () => {
    jaeger = await startJaeger();
    embedded = await startCollector({
      host: '127.0.0.1',
      ports: [0],
      database: ':memory:',
      maxAgeMs: 3_600_000,
      maxBytes: 2 ** 28,
    });
  });
  afterAll(async () => {
    await jaeger?.close();
    await embedded?.close();
  });

  test('the fleet of the demo exports to it, and every shutdown is one whole tree across processes', async () => {
    const args = [
      'demo',
      '--json',
      '--seconds',
      '16',
      '--rate',
      '40',
      '--otlp',
      jaeger.otlpUrl,
      '--jaeger',
      jaeger.queryUrl,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args], { timeout: 120_000 });
    const report = JSON.parse(stdout) as {
      gray: { failed: number; shutdowns: number };
      traces: { traceId: string; service: string; result: string; planned: number }[];
    };
    expect(report.gray.failed).toBe(0);
    expect(report.traces).toHaveLength(report.gray.shutdowns);
    const client = new JaegerClient(new URL(jaeger.queryUrl));
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
  }, 180_000);

  test('lossless inspect reads from it', async () => {
    const { traceId, bodies } = shutdownBodies('inspected', 30, 2);
    await send(jaeger.otlpUrl, bodies);
    const { stdout, code } = await promisify(execFile)(process.execPath, [
      CLI,
      'inspect',
      traceId,
      '--url',
      jaeger.queryUrl,
    ]).catch((error) => error);
    expect(code).toBe(1);
    expect(stdout).toContain('incomplete, 28 of 30 consumers acked');
    expect(stdout).toContain('caller-0 was not told');
  });

  describe('the embedded collector answers as it does', () => {
    const one = shutdownBodies('mirror-a', 3, 1, 1_790_000_000_000);
    const two = shutdownBodies('mirror-b', 2, 0, 1_790_000_100_000);

    beforeAll(async () => {
      for (const url of [jaeger.otlpUrl, embedded.otlpUrl]) await send(url, [...one.bodies, ...two.bodies]);
    });

    const window = 'start=1789999999000000&end=1790000999000000';
    test.each([
      `/api/traces/${one.traceId}`,
      `/api/traces/${'f'.repeat(32)}`,
      '/api/traces/xyz',
      '/api/traces',
      '/api/operations',
      '/api/operations?service=mirror-a',
      '/api/services/mirror-a/operations',
      '/api/operations?service=unknown',
      `/api/traces?service=mirror-a&${window}`,
      `/api/traces?service=mirror-a&operation=lossless.offline&${window}`,
      `/api/traces?service=unknown&${window}`,
      `/api/traces?service=mirror-a&${window}&tags=${encodeURIComponent('{"lossless.offline.result":"incomplete"}')}`,
      `/api/traces?service=mirror-a&${window}&tags=${encodeURIComponent('{"lossless.offline.result":"success"}')}`,
      `/api/traces?service=mirror-a&${window}&tags=${encodeURIComponent('{"lossless.fanout.planned":"3"}')}`,
      `/api/traces?service=mirror-b&${window}&tags=${encodeURIComponent('{"lossless.fanout.complete":"true"}')}`,
      `/api/traces?service=mirror-b&${window}&tags=${encodeURIComponent('{"service.instance.id":"mirror-b-1"}')}`,
      `/api/traces?service=mirror-b&${window}&tags=${encodeURIComponent('{"lossless.offline.result":"success","lossless.goaway.result":"acked"}')}`,
      `/api/traces?service=mirror-b&${window}&tag=lossless.offline.result:success`,
      `/api/traces?service=mirror-b&${window}&tags=${encodeURIComponent('{"lossless.fanout.planned":3}')}`,
      `/api/traces?service=mirror-b&${window}&tags=nonsense`,
      `/api/traces?service=mirror-b&${window}&minDuration=70ms`,
      `/api/traces?service=mirror-b&${window}&minDuration=80ms`,
      `/api/traces?service=mirror-b&start=1790000999000000&end=1790001999000000`,
      `/api/traces?traceID=${one.traceId}&traceID=${two.traceId}`,
    ])('%s', async (path) => {
      const [real, ours] = await Promise.all([jaeger, embedded].map(({ queryUrl }) => ask(`${queryUrl}${path}`)));
      expect(ours).toEqual(real);
    });
  });
});

async function send(otlpUrl: string, bodies: readonly string[]): Promise<void> {
  for (const body of bodies) {
    const response = await fetch(`${otlpUrl}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ partialSuccess: {} });
  }
}

interface Answered {
  readonly data: unknown;
  readonly errors: readonly { readonly code: number }[] | null;
}

/** An answer without what may differ: the order of spans and of tags, the names of processes, and the words of a message. */
async function ask(url: string): Promise<object> {
  const response = await fetch(url);
  const { data, errors } = (await response.json()) as Answered;
  return { status: response.status, data: normalised(data), errors: errors?.map(({ code }) => code) ?? null };
}

function normalised(data: unknown): unknown {
  if (!Array.isArray(data)) return data;
  return data.map((entry) => (typeof entry === 'object' && 'spans' in entry ? traceOf(entry) : entry)).sort(byText);
}

function traceOf({
  traceID,
  spans,
  processes,
}: {
  traceID: string;
  spans: { processID: string; tags: object[] }[];
  processes: Record<string, { tags: object[] }>;
}): object {
  const plain = spans.map(({ processID, ...span }) => ({
    ...span,
    tags: [...span.tags].sort(byText),
    process: { ...processes[processID], tags: [...(processes[processID]?.tags ?? [])].sort(byText) },
  }));
  return { traceID, spans: plain.sort(byText) };
}

function byText(one: unknown, other: unknown): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}
