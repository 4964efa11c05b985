import { describe, expect, test } from 'vitest';
import { JaegerClient } from '../../../../src/cli/jaeger-client.ts';
import { waterfall } from '../../../../src/cli/waterfall.ts';
import { ATTR } from '../../../../src/trace/model/schema.ts';
import { milliseconds, type Span, type Trace } from '../../../../src/trace/model/trace.ts';
import { assess, isLossless } from '../../../../src/trace/model/verdict.ts';
import { embeddedCollector } from '../../../support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../../../support/observe/otlp.ts';
import { useStarted } from '../../../support/use-started.ts';

const collector = useStarted(() => embeddedCollector());

/** A shutdown as it comes out of a trace store. */
async function shutdown(consumers: number, failed = 0): Promise<Trace> {
  const { traceId, bodies } = shutdownBodies('leaver', consumers, failed);
  await sendOtlp(collector().otlpUrl, bodies);
  return new JaegerClient(new URL(collector().queryUrl)).trace(traceId);
}

const without = ({ traceId, spans }: Trace, drop: (span: Span, index: number) => boolean): Trace => ({
  traceId,
  spans: spans.filter((span, index) => !drop(span, index)),
});
const isNamed = (name: string) => (span: Span) => span.name === `lossless.${name}`;

/** Drops the first span that matches. */
const dropFirst = (trace: Trace, matches: (span: Span) => boolean): Trace => {
  const first = trace.spans.find(matches);
  return without(trace, (span) => span === first);
};

describe('the verdict on a shutdown', () => {
  test('complete, and every consumer told', async () => {
    expect(assess(await shutdown(250))).toMatchObject({
      service: 'leaver',
      instanceId: 'leaver-1',
      result: 'success',
      planned: 250,
      acked: 250,
      refreshes: 250,
      spans: 507,
      orphans: 0,
      whole: true,
      problems: [],
      durationMs: 75,
      phases: { notify: 10, deregister: 3, drain: 60.5, stop: 1 },
    });
  });

  test('a complete trace of a shutdown that failed to tell two consumers', async () => {
    const verdict = assess(await shutdown(5, 2));
    expect(verdict).toMatchObject({ result: 'incomplete', whole: true, planned: 5, acked: 3, refreshes: 3 });
    expect(verdict.runbook).toBe('LosslessFanOutIncomplete');
    expect(verdict.problems[0]).toBe('2 of 5 consumers were not told');
    expect(verdict.problems.slice(1).toSorted()).toEqual(['caller-0 was not told', 'caller-1 was not told']);
  });

  test.each([
    [
      'its root',
      isNamed('offline'),
      /the span lossless.offline has not arrived: the process was killed or is still leaving/,
      { result: 'missing', service: 'leaver' },
    ],
    ['its start marker', isNamed('offline.started'), /it tells when the shutdown began/, {}],
    ['its notify span', isNamed('notify'), /it tells which consumers got a GoAway/, { orphans: 1 }],
    ['its service span', isNamed('notify.service'), /the parent of 3 spans has not arrived/, { orphans: 3 }],
    ['a GoAway', isNamed('goaway'), /expected a span of each of 3 planned consumers, received 2/, { orphans: 1 }],
    [
      'a refresh',
      isNamed('consumer.refresh'),
      /no span lossless.consumer.refresh has arrived from 1 consumer/,
      { refreshes: 2 },
    ],
    ['the deregistration', isNamed('deregister'), /it tells whether the registry dropped the instance/, {}],
    ['the drain', isNamed('drain'), /the span lossless.drain is missing; it tells how the drain ended/, {}],
    ['the stop', isNamed('stop'), /it tells which connections the instance cut/, {}],
  ])('a trace without %s is not whole', async (_, matches, problem, more) => {
    const verdict = assess(dropFirst(await shutdown(3), matches));
    expect(verdict).toMatchObject({ whole: false, ...more });
    expect(verdict.problems.join('\n')).toMatch(problem);
  });

  test('a trace is whole without the span of a consumer that acked without a list of the service', async () => {
    const trace = dropFirst(await shutdown(3), isNamed('consumer.refresh'));
    const spans = trace.spans.map((span) =>
      isNamed('goaway')(span) ? { ...span, tags: { ...span.tags, 'lossless.goaway.unused': true } } : span,
    );
    expect(assess({ ...trace, spans })).toMatchObject({ whole: true, acked: 3, refreshes: 2 });
  });

  test('a shutdown without an end counts as killed once its grace period is over', async () => {
    const { spans, ...trace } = dropFirst(await shutdown(3, 1), isNamed('offline'));
    const graced = spans.map((span) =>
      span.name === 'lossless.offline.started' ? { ...span, tags: { ...span.tags, [ATTR.gracePeriod]: 30 } } : span,
    );
    const { startedAt, ...missing } = assess({ ...trace, spans: graced });
    expect(missing).toMatchObject({ result: 'missing', whole: false, planned: 3, acked: 2 });
    expect(assess({ ...trace, spans: graced }, startedAt + 34_999).result).toBe('missing');
    const killed = assess({ ...trace, spans: graced }, startedAt + 35_000);
    expect(killed).toMatchObject({ result: 'killed', whole: false, planned: 3, acked: 2 });
    expect(killed.problems[0]).toMatch(/the end of the shutdown never arrived: the process was killed/);
    expect(killed.problems.join()).not.toMatch(/it tells|still leaving|has not arrived/);
    expect(isLossless(killed)).toBe(false);
  });

  test('a trace without the beginning of a shutdown never counts as killed', async () => {
    const { traceId, spans } = await shutdown(1);
    const refreshes = spans.filter(isNamed('consumer.refresh'));
    expect(assess({ traceId, spans: refreshes }, Date.now() + 86_400_000).result).toBe('missing');
  });

  test('two roots are not one shutdown', async () => {
    const trace = await shutdown(1);
    const [root] = trace.spans.filter(isNamed('offline'));
    expect(
      assess({ ...trace, spans: [...trace.spans, { ...(root as Span), spanId: 'f'.repeat(16) }] }).problems,
    ).toContain('expected one span lossless.offline, received 2');
  });

  test('spans of the application in the same trace do not disturb it', async () => {
    const trace = await shutdown(1);
    const [root] = trace.spans as [Span];
    const foreign = { ...root, spanId: 'e'.repeat(16), parentSpanId: 'd'.repeat(16), name: 'GET /items' };
    expect(assess({ ...trace, spans: [...trace.spans, foreign] })).toMatchObject({ whole: true, orphans: 0, spans: 9 });
  });
});

describe('the waterfall', () => {
  const options = { width: 100, color: false };

  test('folds a large fan-out, failed GoAways first', async () => {
    const lines = waterfall(await shutdown(250, 3), options);
    const goaways = lines.filter((line) => line.includes('goaway '));
    expect(goaways).toHaveLength(10);
    expect(goaways.slice(0, 3).every((line) => line.includes('timeout'))).toBe(true);
    expect(lines.find((line) => line.includes('…'))?.trim()).toBe('… 240 more acked');
    expect(lines.length).toBeLessThan(30);
  });

  test('shows every consumer whose GoAway failed, even many of them', async () => {
    const lines = waterfall(await shutdown(60, 40), options);
    expect(lines.filter((line) => line.includes('timeout'))).toHaveLength(40);
    expect(lines.join('\n')).toContain('… 20 more acked');
  });

  test('indents children below their parent and keeps bars on one scale', async () => {
    const lines = waterfall(await shutdown(1), options);
    expect(lines.map((line) => line.match(/^ *[a-z.]+/)?.[0])).toEqual([
      'offline',
      '  offline.started',
      '  notify',
      '    notify.service',
      '      goaway',
      '        consumer.refresh',
      '  deregister',
      '  drain',
      '  stop',
    ]);
    const bars = lines.map((line) => line.slice(line.search(/[█|]/)).match(/^[█|]+/)?.[0].length ?? 0);
    expect(bars[0]).toBe(Math.max(...bars));
    expect(bars.every((length) => length > 0)).toBe(true);
  });

  test('paints only when it may', async () => {
    const trace = await shutdown(1);
    expect(waterfall(trace, options).join('')).not.toContain('\u001b');
    expect(waterfall(trace, { ...options, color: true }).join('')).toContain('\u001b[36m');
  });

  test('orphans, circles and chains of thousands end', async () => {
    const [span] = (await shutdown(0)).spans as [Span];
    const chain = Array.from({ length: 20_000 }, (_, n) => ({
      ...span,
      spanId: `s${n}`,
      parentSpanId: n === 0 ? 'gone' : `s${n - 1}`,
    }));
    const circle = ['a', 'b'].map((id, n, ids) => ({ ...span, spanId: id, parentSpanId: ids[1 - n] ?? '' }));
    expect(waterfall({ traceId: 'x', spans: [...chain, ...circle] }, options).length).toBeLessThan(100);
  });

  test.each([
    [0.04, '0.0 ms'],
    [9.94, '9.9 ms'],
    [75, '75 ms'],
    [1_234, '1.23 s'],
    [61_000, '61.0 s'],
  ])('%d ms reads %s', (ms, text) => {
    expect(milliseconds(ms)).toBe(text);
  });
});
