import { randomBytes } from 'node:crypto';
import type { WorkName } from '../../../src/lifecycle/facts.ts';
import { ATTR, SCOPE, SPANS, spanName } from '../../../src/trace/model/schema.ts';

type Value = string | number | boolean | readonly string[] | readonly number[];

/** A span to send. */
export interface SpanSpec {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly work: WorkName;
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly durationMs: number;
  readonly attributes?: Readonly<Record<string, Value>>;
  readonly error?: string;
}

export const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

const KIND = { INTERNAL: 1, SERVER: 2, CLIENT: 3 } as const;

/** The body of an OTLP/HTTP JSON request with spans of one process; `resource` holds further attributes of its resource. */
export function otlpBody(
  service: string,
  instanceId: string,
  spans: readonly SpanSpec[],
  resource: Readonly<Record<string, string>> = {},
): string {
  const identity = { 'service.name': service, 'service.instance.id': instanceId };
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf({ ...identity, ...resource }) },
        scopeSpans: [{ scope: { name: SCOPE }, spans: spans.map(spanOf) }],
      },
    ],
  });
}

function spanOf({ traceId, spanId, parentSpanId, work, start, durationMs, attributes = {}, error }: SpanSpec): object {
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name: spanName(work),
    kind: KIND[SPANS[work].kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(start + durationMs),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: 2, message: error },
  };
}

function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms * 1_000)) * 1_000n}`;
}

function attributesOf(attributes: Readonly<Record<string, Value>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: typedValue(value) }));
}

function typedValue(value: Value): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map(typedValue) } };
}

/**
 * A whole shutdown of `provider` with `consumers` callers, of which `failed` could not be told: one body for each process.
 * Consumers belong to `services` in turn. The instance is `<provider>-1`, by default without further attributes.
 */
export function shutdownBodies(
  provider: string,
  consumers: number,
  failed = 0,
  start: number = Date.now(),
  services: readonly string[] = ['caller'],
  instanceId = `${provider}-1`,
  resource: Readonly<Record<string, string>> = {},
): { readonly traceId: string; readonly bodies: readonly string[] } {
  const traceId = hex(16);
  const [root, notify] = [hex(8), hex(8)];
  const groups = services.map((service) => ({ service, spanId: hex(8) }));
  const groupOf = (n: number) => groups[n % groups.length] as { service: string; spanId: string };
  const acked = consumers - failed;
  const goaways = Array.from(
    { length: consumers },
    (_, n): SpanSpec => ({
      traceId,
      spanId: hex(8),
      parentSpanId: groupOf(n).spanId,
      work: 'goaway',
      start: start + 2,
      durationMs: 5,
      attributes: {
        [ATTR.goawayResult]: n < failed ? 'timeout' : 'acked',
        [ATTR.peerService]: groupOf(n).service,
        [ATTR.consumerInstanceId]: `${groupOf(n).service}-${n}`,
        [ATTR.attemptCount]: 1,
      },
      ...(n < failed && { error: `${groupOf(n).service}-${n} was not told` }),
    }),
  );
  const spans: SpanSpec[] = [
    {
      traceId,
      spanId: hex(8),
      parentSpanId: root,
      work: 'offline.started',
      start,
      durationMs: 0.001,
      attributes: { [ATTR.service]: provider, [ATTR.instanceId]: instanceId, [ATTR.trigger]: 'SIGTERM' },
    },
    { traceId, spanId: notify, parentSpanId: root, work: 'notify', start: start + 1, durationMs: 10 },
    ...groups.map(({ service, spanId }): SpanSpec => {
      const own = goaways.filter((goaway) => goaway.parentSpanId === spanId);
      const told = own.filter((goaway) => goaway.error === undefined);
      return {
        traceId,
        spanId,
        parentSpanId: notify,
        work: 'notify.service',
        start: start + 1,
        durationMs: 10,
        attributes: {
          [ATTR.peerService]: service,
          [ATTR.fanoutPlanned]: own.length,
          [ATTR.fanoutAcked]: told.length,
        },
      };
    }),
    ...goaways,
    {
      traceId,
      spanId: hex(8),
      parentSpanId: root,
      work: 'deregister',
      start: start + 2,
      durationMs: 3,
      attributes: { [ATTR.deregisterResult]: 'confirmed' },
    },
    {
      traceId,
      spanId: hex(8),
      parentSpanId: root,
      work: 'drain',
      start: start + 11,
      durationMs: 60.5,
      attributes: {
        [ATTR.drainResult]: 'drained',
        [ATTR.requestsPerSecond]: [...Array.from({ length: 30 }, (_, n) => 40 + (n % 7)), 3],
        [ATTR.requestsSince]: start - 30_000,
      },
    },
    { traceId, spanId: hex(8), parentSpanId: root, work: 'stop', start: start + 72, durationMs: 1 },
    {
      traceId,
      spanId: root,
      work: 'offline',
      start,
      durationMs: 75,
      attributes: {
        [ATTR.service]: provider,
        [ATTR.instanceId]: instanceId,
        [ATTR.offlineResult]: failed > 0 ? 'incomplete' : 'success',
        [ATTR.fanoutPlanned]: consumers,
        [ATTR.fanoutAcked]: acked,
        [ATTR.fanoutComplete]: failed === 0,
        [ATTR.gracePeriod]: 30.5,
      },
      ...(failed > 0 && { error: `${failed} of ${consumers} consumers were not told` }),
    },
  ];
  const refreshes = goaways.slice(failed).map((goaway, n) =>
    otlpBody(groupOf(n + failed).service, `${groupOf(n + failed).service}-${n + failed}`, [
      {
        traceId,
        spanId: hex(8),
        parentSpanId: goaway.spanId,
        work: 'consumer.refresh',
        start: start + 4,
        durationMs: 1,
        attributes: {
          [ATTR.providerAddress]: '127.0.0.1:3',
          [ATTR.addresses]: ['127.0.0.1:1', '127.0.0.1:2'],
          [ATTR.addressCount]: 2,
          [ATTR.addressesBefore]: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'],
          [ATTR.addressCountBefore]: 3,
          [ATTR.refreshResult]: 'refreshed',
        },
      },
    ]),
  );
  return { traceId, bodies: [otlpBody(provider, instanceId, spans, resource), ...refreshes] };
}

/** Joins bodies into fewer ones, of `each` bodies at most. */
export function joined(bodies: readonly string[], each = 200): readonly string[] {
  return Array.from({ length: Math.ceil(bodies.length / each) }, (_, n) => {
    const those = bodies.slice(n * each, (n + 1) * each);
    return `{"resourceSpans":[${those.map((body) => body.slice('{"resourceSpans":['.length, -']}'.length)).join(',')}]}`;
  });
}

/** Sends bodies one after the other. @throws Error when the collector does not store one */
export async function sendOtlp(otlpUrl: string, bodies: readonly string[]): Promise<void> {
  for (const body of bodies) {
    const response = await fetch(`${otlpUrl}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    const answer = await response.text();
    if (response.status !== 200 || answer !== '{"partialSuccess":{}}') throw new Error(`${response.status} ${answer}`);
  }
}
