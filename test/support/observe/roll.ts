import { ATTR } from '../../../src/trace/model/schema.ts';
import { hex, otlpBody, type SpanSpec, shutdownBodies } from './otlp.ts';

/** A rolling update for a test. Times are milliseconds since the Unix epoch. */
export interface Roll {
  readonly service: string;
  readonly namespace?: string;
  /** Version of the leaving instances, and of the coming ones. */
  readonly from: string;
  readonly to: string;
  readonly instances: number;
  readonly consumers: number;
  /** Consumers that the first leaving instance could not tell. Default: 0. */
  readonly failed?: number;
  /** Prefix of the ids of coming instances. Default: the service. */
  readonly coming?: string;
  readonly begin: number;
  /** Time between two instances. Default: 5 s. */
  readonly everyMs?: number;
}

/** The bodies of a rolling update: instances of the new version come one by one, and after each one an old instance leaves. */
export function rollBodies(roll: Roll): readonly string[] {
  const {
    begin,
    coming = roll.service,
    consumers,
    everyMs = 5_000,
    failed = 0,
    from,
    instances,
    namespace,
    service,
    to,
  } = roll;
  const resource = (version: string) => ({
    ...(namespace !== undefined && { 'service.namespace': namespace }),
    'service.version': version,
  });
  return Array.from({ length: instances }, (_, n) => {
    const at = begin + n * everyMs;
    const left = `${service}-${from}-${n}`;
    return [
      startBody(service, `${coming}-${to}-${n}`, at, resource(to)),
      ...shutdownBodies(
        service,
        consumers,
        n === 0 ? failed : 0,
        at + everyMs / 2,
        ['web', 'mobile'],
        left,
        resource(from),
      ).bodies,
    ];
  }).flat();
}

/** The body of a start that is ready after a second and has its full share four seconds later. */
export function startBody(
  service: string,
  instanceId: string,
  start: number,
  resource: Readonly<Record<string, string>> = {},
): string {
  const [traceId, root] = [hex(16), hex(8)];
  const identity = { [ATTR.service]: service, [ATTR.instanceId]: instanceId };
  const child = { traceId, parentSpanId: root };
  const spans: readonly SpanSpec[] = [
    { ...child, spanId: hex(8), work: 'online.started', start, durationMs: 0.001, attributes: identity },
    { ...child, spanId: hex(8), work: 'register', start: start + 400, durationMs: 300 },
    { ...child, spanId: hex(8), work: 'register.read_back', start: start + 700, durationMs: 200 },
    { ...child, spanId: hex(8), work: 'ready', start: start + 1_000, durationMs: 0.001 },
    {
      ...child,
      spanId: hex(8),
      work: 'warmup',
      start: start + 1_000,
      durationMs: 4_000,
      attributes: { [ATTR.warmupStep]: 0.4, [ATTR.warmupRequests]: Array.from({ length: 10 }, (_, n) => 2 * n) },
    },
    {
      traceId,
      spanId: root,
      work: 'online',
      start,
      durationMs: 5_000,
      attributes: { ...identity, [ATTR.onlineResult]: 'success' },
    },
  ];
  return otlpBody(service, instanceId, spans, resource);
}
