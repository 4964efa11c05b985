import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Closing } from '../../../collector/server/closing.ts';
import { jaegerTrace } from '../../../collector/server/jaeger.ts';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { Store } from '../../../collector/server/store.ts';
import { closingBody, type LastWill } from '../../../src/trace/last-will.ts';
import { ATTR } from '../../../src/trace/model/schema.ts';
import { traceOf } from '../../../src/trace/model/trace.ts';
import { assess } from '../../../src/trace/model/verdict.ts';
import { hex, otlpBody, type SpanSpec } from '../../support/observe/otlp.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const START = 1_790_000_000_000;
const GRACE_MS = 30_000;

/** Time after the marker when there should be an end. */
const OVER_MS = GRACE_MS + 5_000;

/** A shutdown that began and told two of three consumers, and its end. */
function shutdown() {
  const [traceId, root, notify] = [hex(16), hex(8), hex(8)];
  const identity = { [ATTR.service]: 'orders', [ATTR.instanceId]: 'orders-1', [ATTR.generation]: 7 };
  const attributes = { ...identity, [ATTR.trigger]: 'SIGTERM', [ATTR.gracePeriod]: GRACE_MS / 1_000 };
  const span = (more: Partial<SpanSpec>): SpanSpec => ({
    traceId,
    spanId: hex(8),
    parentSpanId: root,
    work: 'goaway',
    start: START,
    durationMs: 0,
    ...more,
    attributes: { ...identity, ...more.attributes },
  });
  const began = [
    span({ work: 'offline.started', attributes }),
    ...['acked', 'acked', 'timeout'].map((result) =>
      span({ parentSpanId: notify, start: START + 10, durationMs: 790, attributes: { [ATTR.goawayResult]: result } }),
    ),
  ];
  const end = { traceId, spanId: root, work: 'offline', start: START, durationMs: 4_000 } as const;
  const ended: SpanSpec = { ...end, attributes: { ...attributes, [ATTR.offlineResult]: 'success' } };
  const will: LastWill = {
    owner: { pid: 1, started: 1, space: '' },
    resource: { 'service.name': 'orders' },
    ids: { traceId, spanId: root },
    links: [],
    start: START,
    gracePeriodMs: GRACE_MS,
    during: 'drain',
    attributes,
  };
  return { traceId, root, began, ended, will };
}

const body = (...spans: readonly SpanSpec[]) => otlpBody('orders', 'orders-1', spans);

function collector(path = ':memory:') {
  const store = new Store({ path, maxAgeMs: 1e15, maxBytes: 2 ** 28 });
  onTestFinished(() => store.close());
  let now = 0;
  const closing = new Closing(store, now);
  /** Spans that were counted. */
  const counted: string[] = [];
  const keep = (text: string): void => {
    const added = store.add(decodeOtlp(text).groups);
    closing.see(added, now);
    counted.push(...added.flatMap(({ spans }) => spans.map(({ name }) => name)));
  };
  const tick = (ms: number): void => {
    now += ms;
    const added = store.add(closing.roots(now));
    counted.push(...added.flatMap(({ spans }) => spans.map(({ name }) => name)));
  };
  const spansOf = (traceId: string) => traceOf(jaegerTrace(store.traces([traceId])[0] ?? [])).spans;
  const verdict = (traceId: string) => assess({ traceId, spans: spansOf(traceId) });
  const roots = () => counted.filter((name) => name === 'lossless.offline').length;
  return { store, keep, tick, spansOf, verdict, roots };
}

describe('a shutdown without an end', () => {
  test('gets a root made of its spans, once the time for its end has passed', () => {
    const { keep, tick, spansOf, verdict, roots } = collector();
    const { traceId, root, began } = shutdown();
    keep(body(...began));
    tick(OVER_MS - 1);
    expect(verdict(traceId).result).toBe('missing');
    tick(1);
    expect(verdict(traceId)).toMatchObject({
      result: 'killed',
      planned: 3,
      acked: 2,
      durationMs: 800,
      startedAt: START,
      service: 'orders',
      instanceId: 'orders-1',
      whole: false,
      problems: expect.arrayContaining([expect.stringMatching(/the process was killed/)]),
    });
    expect(spansOf(traceId).find(({ spanId }) => spanId === root)).toMatchObject({
      name: 'lossless.offline',
      parentSpanId: '',
      isError: true,
      tags: { [ATTR.errorType]: 'killed', [ATTR.trigger]: 'SIGTERM', [ATTR.gracePeriod]: 30, [ATTR.generation]: 7 },
    });
    tick(10 * OVER_MS);
    expect(roots()).toBe(1);
  });

  test('a real root that comes later replaces the made one for good', () => {
    const { store, keep, tick, spansOf, verdict, roots } = collector();
    const { traceId, began, ended, will } = shutdown();
    keep(body(...began));
    tick(OVER_MS);
    const before = store.version(traceId);
    keep(closingBody(will, START + 3_000));
    expect(store.version(traceId)).toBe(before);
    keep(body(ended));
    expect(store.version(traceId)).not.toBe(before);
    expect(verdict(traceId)).toMatchObject({ result: 'success', durationMs: 4_000 });
    keep(closingBody(will, START + 3_000));
    keep(body(ended));
    tick(OVER_MS);
    expect(verdict(traceId).result).toBe('success');
    expect(spansOf(traceId).filter(({ name }) => name === 'lossless.offline')).toHaveLength(1);
    expect(roots()).toBe(2);
  });

  test('a shutdown whose last will came needs no other root', () => {
    const { keep, tick, verdict, roots } = collector();
    const { traceId, began, will } = shutdown();
    keep(body(...began));
    keep(closingBody(will, START + 3_000));
    tick(OVER_MS);
    expect(verdict(traceId)).toMatchObject({
      result: 'killed',
      durationMs: 3_000,
      problems: [expect.stringContaining('while it drained')],
    });
    expect(roots()).toBe(1);
  });

  test('a restarted collector waits for the ends of the shutdowns in its database', () => {
    const directory = useScratchFolder();
    const path = join(directory, 'traces.sqlite');
    const [killed, late] = [shutdown(), shutdown()];
    collector(path).keep(body(...killed.began, ...late.began));
    const { keep, tick, verdict } = collector(path);
    tick(OVER_MS - 1);
    keep(body(late.ended));
    tick(1);
    expect([killed, late].map(({ traceId }) => verdict(traceId).result)).toEqual(['killed', 'success']);
  });

  test.each([
    ['a root has arrived first', true],
    ['a marker names no root', false],
  ])('%s: the collector makes no root', (_, isFirst) => {
    const { keep, tick, roots } = collector();
    const { began, ended } = shutdown();
    if (isFirst) keep(body(ended));
    keep(isFirst ? body(...began) : body(...began).replaceAll('"parentSpanId"', '"other"'));
    tick(OVER_MS);
    expect(roots()).toBe(isFirst ? 1 : 0);
  });
});
