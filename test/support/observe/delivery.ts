import { JaegerClient } from '../../../src/cli/jaeger-client.ts';
import { assess } from '../../../src/trace/model/verdict.ts';
import { until } from '../until.ts';
import { hex, shutdownBodies } from './otlp.ts';

/** A sent trace: one body for each process. */
export interface Sent {
  readonly traceId: string;
  readonly bodies: readonly string[];
}

/** Shutdowns of `service`, each with three consumers: whole and successful. */
export function manyShutdowns(service: string, count: number): readonly Sent[] {
  return Array.from({ length: count }, () => shutdownBodies(service, 3));
}

/** Traces of an application without the plugin: a request and its query, in one body. */
export function applicationBody(service: string, traces: number): string {
  const now = Date.now();
  const spans = Array.from({ length: traces }, () => {
    const [traceId, root] = [hex(16), hex(8)];
    const times = { startTimeUnixNano: `${now}000000`, endTimeUnixNano: `${now + 5}000000` };
    return [
      { traceId, spanId: root, name: 'GET /', kind: 2, ...times },
      { traceId, spanId: hex(8), parentSpanId: root, name: 'SELECT', kind: 3, ...times },
    ];
  });
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] };
  return JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'app' }, spans: spans.flat() }] }],
  });
}

/** Sends each body until the answer is 200, as the plugin does with its spool; returns the number of repetitions. */
export async function deliver(otlpUrl: string, traces: readonly Sent[]): Promise<number> {
  let again = 0;
  for (const body of traces.flatMap(({ bodies }) => bodies))
    await until(async () => {
      const status = await post(otlpUrl, body);
      if (status !== 200) again++;
      return status === 200;
    });
  return again;
}

/** Posts a body; resolves with the status, or undefined without an answer. */
export function post(otlpUrl: string, body: string): Promise<number | undefined> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${otlpUrl}/v1/traces`, { method: 'POST', body, headers, signal: AbortSignal.timeout(10_000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => undefined,
  );
}

/** The sent traces that Jaeger does not hold with every span. */
export async function missingIn(queryUrl: string, traces: readonly Sent[]): Promise<readonly string[]> {
  const client = new JaegerClient(new URL(queryUrl));
  const missing: string[] = [];
  for (const { traceId, bodies } of traces) {
    const trace = await client.trace(traceId).catch(() => undefined);
    const whole = trace !== undefined && assess(trace).whole && trace.spans.length === spansIn(bodies);
    if (!whole) missing.push(traceId);
  }
  return missing;
}

function spansIn(bodies: readonly string[]): number {
  return bodies.join('').split('"spanId"').length - 1;
}
