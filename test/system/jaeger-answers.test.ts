import { beforeAll, describe, expect, test } from 'vitest';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { foreignBody } from '../support/observe/otlp-foreign.ts';
import { jaegerMissing, startJaeger } from '../support/servers/jaeger.ts';
import { useStarted } from '../support/use-started.ts';

const missing = jaegerMissing();
if (missing) console.warn(`skipped: ${missing}`);

/** Traces of a fixed moment, and one trace of now for searches without a time. */
const THEN = 1_790_000_000_000;
const one = shutdownBodies('mirror-a', 3, 1, THEN);
const two = shutdownBodies('mirror-b', 2, 0, THEN + 100_000);
const large = shutdownBodies('mirror-large', 250, 7, THEN + 200_000);
const recent = shutdownBodies('mirror-recent', 1, 0, Date.now() - 5_000);
const foreign = foreignBody(THEN);

const WINDOW = `start=${THEN - 1_000}000&end=${THEN + 900_000}000`;
const search = (query: string): string => `/api/traces?${WINDOW}&${query}`;
const tagged = (service: string, tags: object): string =>
  search(`service=${service}&tags=${encodeURIComponent(JSON.stringify(tags))}`);
const V3_WINDOW = `query.start_time_min=${new Date(THEN - 1_000).toISOString()}&query.start_time_max=${new Date(THEN + 900_000).toISOString()}`;
const searchV3 = (query: string): string => `/api/v3/traces?${V3_WINDOW}&${query}`;

const CALLS = {
  services: ['/api/services', '/api/v3/services'],
  operations: [
    '/api/operations',
    '/api/operations?service=mirror-a',
    '/api/operations?service=mirror-a&spanKind=client',
    '/api/operations?service=foreign',
    '/api/operations?service=unknown',
    '/api/services/mirror-a/operations',
    '/api/services/unknown/operations',
    '/api/v3/operations',
    '/api/v3/operations?service=mirror-a',
    '/api/v3/operations?service=foreign&span_kind=server',
  ],
  'a trace': [
    `/api/traces/${one.traceId}`,
    `/api/traces/${one.traceId.toUpperCase()}`,
    `/api/traces/${large.traceId}`,
    `/api/traces/${foreign.traceId}`,
    `/api/traces/${foreign.traceId.slice(16)}`,
    `/api/traces/${'f'.repeat(32)}`,
    '/api/traces/xyz',
    `/api/traces/${'f'.repeat(33)}`,
    `/api/traces?traceID=${one.traceId}&traceID=${two.traceId}`,
    `/api/traces?traceID=${one.traceId}&traceID=${'f'.repeat(32)}`,
    '/api/traces?traceID=xyz',
    `/api/v3/traces/${one.traceId}`,
    `/api/v3/traces/${foreign.traceId}`,
    `/api/v3/traces/${'f'.repeat(32)}`,
    '/api/v3/traces/xyz',
  ],
  'a search': [
    search('service=mirror-a'),
    search('service=mirror-a&operation=lossless.offline'),
    search('service=mirror-a&operation=lossless.consumer.refresh'),
    search('service=caller'),
    search('service=caller&limit=2'),
    search('service=unknown'),
    search('service=mirror-b&lookback=1h'),
    '/api/traces?service=mirror-b',
    '/api/traces?service=mirror-recent',
    '/api/traces?service=mirror-recent&limit=1&operation=lossless.offline.started',
    `/api/traces?service=mirror-b&start=${THEN + 300_000}000&end=${THEN + 400_000}000`,
    `/api/traces?service=mirror-b&start=-1&end=${THEN}000`,
    search('service=mirror-b&minDuration=70ms'),
    search('service=mirror-b&minDuration=75ms'),
    search('service=mirror-b&minDuration=76ms'),
    search('service=mirror-b&minDuration=0.07s&maxDuration=1m30s'),
    search('service=mirror-b&operation=lossless.offline&maxDuration=74999us'),
    search('service=mirror-b&minDuration=70000000ns'),
    search('service=mirror-b&minDuration=0'),
    searchV3('query.service_name=mirror-a&query.num_traces=5'),
    searchV3('query.num_traces=20'),
    searchV3('query.service_name=foreign&query.operation_name=GET%20/items&query.num_traces=5'),
    searchV3('query.service_name=mirror-b&query.num_traces=5&query.duration_min=70ms&query.duration_max=1h'),
    searchV3('query.service_name=mirror-b&query.num_traces=5&query.duration_min=80ms'),
    searchV3('query.service_name=unknown&query.num_traces=5'),
  ],
  'a search by attributes': [
    tagged('mirror-a', { 'lossless.offline.result': 'incomplete' }),
    tagged('mirror-a', { 'lossless.offline.result': 'success' }),
    tagged('mirror-a', { 'lossless.fanout.planned': '3' }),
    tagged('mirror-b', { 'lossless.fanout.complete': 'true' }),
    tagged('mirror-b', { 'service.instance.id': 'mirror-b-1' }),
    tagged('mirror-b', { 'service.name': 'mirror-b' }),
    tagged('mirror-b', { 'lossless.offline.result': 'success', 'lossless.fanout.planned': '2' }),
    tagged('mirror-b', { 'lossless.offline.result': 'success', 'lossless.goaway.result': 'acked' }),
    tagged('caller', { 'lossless.consumer.addresses': '["127.0.0.1:1","127.0.0.1:2"]' }),
    tagged('mirror-b', {}),
    ...[
      { large: '9223372036854775807' },
      { fraction: '30.5' },
      { round: '3' },
      { list: '["a",1,1.5,true]' },
      { map: '{"k":["v"]}' },
      { bytes: 'aGk=' },
      { empty: '' },
      { 'exception.type': 'E' },
      { 'scope.flavour': 'mint' },
      { 'process.pid': '12' },
      { 'resource.process.pid': '12' },
      { 'span.kind': 'server' },
      { 'otel.scope.name': 'lib' },
    ].map((tags) => tagged('foreign', tags)),
    search('service=mirror-b&tag=lossless.offline.result:success'),
    search('service=mirror-b&tag=:x'),
  ],
  'a bad request': [
    '/api/traces',
    '/api/traces?service=',
    search('service=mirror-b&limit=0'),
    search('service=mirror-b&limit=many'),
    search('service=mirror-b&minDuration=5'),
    search('service=mirror-b&minDuration=fast'),
    search('service=mirror-b&minDuration=2s&maxDuration=1s'),
    search('service=mirror-b&tag=nocolon'),
    search('service=mirror-b&tags=nonsense'),
    search('service=mirror-b&tags='),
    search('service=mirror-b&tags=%5B%5D'),
    tagged('mirror-b', { 'lossless.fanout.planned': 3 }),
    '/api/traces?service=mirror-b&start=yesterday',
    '/api/traces?service=mirror-b&end=1.5',
    '/api/v3/traces',
    '/api/v3/traces?query.start_time_min=yesterday&query.start_time_max=today&query.num_traces=5',
    searchV3('query.service_name=mirror-b'),
    searchV3('query.service_name=mirror-b&query.num_traces=x'),
    searchV3('query.service_name=mirror-b&query.num_traces=5&query.duration_min=x'),
  ],
};

describe.skipIf(missing)('the embedded collector answers as a real Jaeger', () => {
  const jaeger = useStarted(startJaeger);
  const embedded = useStarted(() => embeddedCollector());

  beforeAll(async () => {
    for (const { otlpUrl } of [jaeger(), embedded()])
      await sendOtlp(otlpUrl, [...[one, two, large, recent].flatMap(({ bodies }) => bodies), foreign.body]);
  });

  describe.each(Object.entries(CALLS))('%s', (_, paths) => {
    test.each(paths)('%s', async (path) => {
      const [real, ours] = await Promise.all([jaeger(), embedded()].map(({ queryUrl }) => ask(`${queryUrl}${path}`)));
      expect(ours).toEqual(real);
    });
  });

  test.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['nothing', '{}'],
    ['a text in the place of the spans', '{"resourceSpans":[{"scopeSpans":[{"spans":"x"}]}]}'],
  ])('OTLP that is %s', async (_, body) => {
    const [real, ours] = await Promise.all(
      [jaeger(), embedded()].map(async ({ otlpUrl }) => {
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(`${otlpUrl}/v1/traces`, { method: 'POST', headers, body });
        const { message, ...rest } = (await response.json()) as { message?: string };
        return { status: response.status, type: response.headers.get('content-type'), told: Boolean(message), ...rest };
      }),
    );
    expect(ours).toEqual(real);
  });

  test.each([
    ['a short id', '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', '1'],
    [
      'an invalid number',
      '{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"intValue":"abc"}}]},"scopeSpans":[]}]}',
      undefined,
    ],
  ])('Jaeger refuses a whole batch for %s; the embedded collector keeps the rest', async (_, body, rejectedSpans) => {
    const [real, ours] = await Promise.all(
      [jaeger(), embedded()].map(({ otlpUrl }) =>
        fetch(`${otlpUrl}/v1/traces`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
      ),
    );
    expect([real?.status, ours?.status]).toEqual([400, 200]);
    const answer = (await (ours as Response).json()) as { partialSuccess?: { rejectedSpans?: unknown } };
    expect(answer.partialSuccess?.rejectedSpans?.toString()).toBe(rejectedSpans);
  });
});

/** An answer without the parts that may differ: the order of lists, the names of processes, and the words of a message. */
async function ask(url: string): Promise<object> {
  const response = await fetch(url);
  const body = (await response.json()) as Record<string, unknown>;
  return {
    status: response.status,
    body: normalised(Array.isArray(body['data']) ? { ...body, data: body['data'].map(named) } : body),
  };
}

interface Shown {
  readonly spans?: readonly { readonly processID: string }[];
  readonly processes?: Readonly<Record<string, object>>;
}

/** A trace whose spans hold their process instead of its name. */
function named(entry: Shown): object {
  if (entry.spans === undefined) return entry;
  const spans = entry.spans.map(({ processID, ...span }) => ({ ...span, process: entry.processes?.[processID] }));
  return { ...entry, spans, processes: Object.keys(entry.processes ?? {}).length };
}

function normalised(value: unknown): unknown {
  if (Array.isArray(value)) return merged(value.map(normalised)).sort(byText);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'msg' && !(key === 'message' && 'httpCode' in value));
  return Object.fromEntries(entries.map(([key, each]) => [key, normalised(each)]));
}

/** Spans of one resource and scope may come in one piece or in several. */
function merged(list: unknown[]): unknown[] {
  const groups = list.filter(
    (each): each is Grouped => typeof each === 'object' && each !== null && 'scopeSpans' in each,
  );
  if (groups.length === 0) return list;
  return groups.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((span) => ({ resource, scope, span }))),
  );
}

interface Grouped {
  readonly resource: object;
  readonly scopeSpans: readonly { readonly scope: object; readonly spans: readonly object[] }[];
}

function byText(one: unknown, other: unknown): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}
