import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALERTS } from '../../dashboards/alerts.ts';
import type { Span, Trace } from '../../src/trace/model/trace.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { type Numbers, OF_INSTANCES, PanelReader, type Row } from '../support/observe/panel-reader.ts';
import { DemoRun } from '../support/process/demo-run.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'prometheus');
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('what the panels show of a real run is what happened', () => {
  let jaeger: OwnJaeger;
  let prometheus: Prometheus;
  let run: DemoRun;
  let traces: readonly Trace[];
  let starts: readonly Trace[];
  let services: readonly string[];
  let panels: PanelReader;
  /** Milliseconds since the Unix epoch. */
  let to: number;

  beforeAll(async () => {
    jaeger = await OwnJaeger.start();
    prometheus = await Prometheus.start({
      metricsUrls: [jaeger.metricsUrl],
      scrapeInterval: '500ms',
      evaluationInterval: '1s',
    });
    run = new DemoRun(jaeger, prometheus.otlpUrl);
    const shop = await run.service('shop', ['answers', 'answers', 'refuses']);
    const slow = await run.service('slow', ['answers'], { LOSSLESS_GRACE_PERIOD_MS: '3000' });
    // No process that starts meanwhile may send its spool.
    const killed = await run.service('killed', ['answers'], {
      LOSSLESS_SPOOL_DIR: join(run.directory, 'spool-of-killed'),
    });
    slow.hang();
    killed.hang();
    await Promise.all([
      run.roll(4, 30),
      shop.leave(),
      slow.leave(),
      killed.killWhileLeaving(() => run.hasBegunToLeave('killed')),
    ]);
    traces = await run.traces(7);
    services = [...new Set(traces.map((trace) => assess(trace).service))].sort();
    starts = await run.starts();
    for (const work of ['goaway', 'offline', 'offline.started', 'online', 'online.started'])
      await until(async () => {
        const counter = `sum(traces_span_metrics_calls_total{span_name="lossless.${work}"})`;
        return (await prometheus.query(counter))[0]?.value === spansOf(work).length;
      });
    to = Date.now();
    panels = new PanelReader({
      prometheus,
      jaegerUrl: jaeger.queryUrl,
      services: [...services, 'gateway'],
      from: run.begun - 30_000,
      to,
    });
  }, 180_000);
  afterAll(async () => {
    await run?.close();
    await prometheus?.close();
    await jaeger?.close();
  });

  function spansOf(work: string): readonly Span[] {
    return [...traces, ...starts].flatMap(({ spans }) => spans.filter(({ name }) => name === `lossless.${work}`));
  }

  test('the choice of services', async () => {
    expect(services).toEqual(['killed', 'service-a', 'service-b', 'service-c', 'shop', 'slow']);
    expect([...(await panels.choices('shutdowns', 'service'))].sort()).toEqual(services);
    expect([...(await panels.choices('starts', 'service'))].sort()).toEqual(['gateway', ...services]);
  });

  test('Shutdowns by result', async () => {
    const counts = await panels.numbers('shutdowns', 'Shutdowns by result');
    expect(counts).toEqual(tally(spansOf('offline'), ({ tags }) => tags['lossless.offline.result']));
    expect(counts).toEqual({ success: 4, incomplete: 1, timeout: 1 });
  });

  test('Consumers not told', async () => {
    expect(await panels.numbers('shutdowns', 'Consumers not told')).toEqual({ 'not told': 1 });
  });

  test('the objective counts a time-out as not lossless, and a safe departure as lossless', async () => {
    const share = await panels.numbers('shutdowns', 'Lossless shutdowns in 30 days');
    expect(share).toEqual({ 'service-a': 1, 'service-b': 1, 'service-c': 1, shop: 1, slow: 0 });
    expect((await panels.numbers('shutdowns', 'Error budget spent'))['slow']).toBeCloseTo(1_000);
    const burnt = await panels.numbers('shutdowns', 'Burn rate');
    expect(burnt).toMatchObject({ 'slow 1h': expect.closeTo(1_000), 'shop 1h': 0, 'slow 6h': expect.closeTo(1_000) });
  });

  test('Shutdowns: one row for each that ended, of the metrics that it sent', async () => {
    const rows = await panels.table('shutdowns', 'Shutdowns');
    const roots = spansOf('offline');
    expect(rows.map(({ instance }) => instance).sort()).toEqual(
      roots.map(({ tags }) => tags['lossless.instance.id']).sort(),
    );
    for (const root of roots) {
      const row = rows.find(({ instance }) => instance === root.tags['lossless.instance.id']);
      const planned = Number(root.tags['lossless.fanout.planned']);
      expect(row).toMatchObject({
        service: root.tags['lossless.service'],
        result: root.tags['lossless.offline.result'],
        ended: expect.closeTo(root.start + root.durationMs, -1),
        duration: expect.closeTo(root.durationMs, -1),
        consumers: planned,
        ...(planned > 0 && { coverage: Number(root.tags['lossless.fanout.acked']) / planned }),
        'after ack': root.tags['lossless.requests.after_ack'],
      });
    }
    const ends = rows.map(({ ended }) => Number(ended));
    expect(ends).toEqual([...ends].sort((a, b) => b - a));
  });

  test('Still open', async () => {
    expect(await panels.numbers('shutdowns', 'Still open')).toEqual({
      ...Object.fromEntries(services.map((service) => [service, 0])),
      killed: 1,
    });
  });

  test('Shutdowns over time', async () => {
    expect(await panels.sums('shutdowns', 'Shutdowns over time')).toEqual({ success: 4, incomplete: 1, timeout: 1 });
  });

  test.each([
    ['shutdowns', 'phase', ['notify', 'deregister', 'drain', 'stop', 'offline']],
    ['starts', 'part', ['preconnect', 'register', 'register.read_back', 'warmup', 'online']],
  ])('%s: mean and slowest duration by %s', async (dashboard, part, works) => {
    const means = await panels.numbers(dashboard, `Mean duration by ${part}`);
    const slowest = await panels.numbers(dashboard, `Slowest twentieth by ${part}`);
    for (const found of [means, slowest])
      expect(Object.keys(found).sort()).toEqual(works.map((work) => `lossless.${work}`).sort());
    for (const work of works) {
      const durations = spansOf(work).map(({ durationMs }) => durationMs);
      const mean = durations.reduce((sum, each) => sum + each, 0) / durations.length;
      expect(means[`lossless.${work}`], work).toBeCloseTo(mean, 1);
      const bound = BUCKETS.find((each) => each >= Math.max(...durations)) ?? Number.POSITIVE_INFINITY;
      expect(slowest[`lossless.${work}`], work).toBeLessThanOrEqual(bound);
      expect(slowest[`lossless.${work}`], work).toBeGreaterThan(0);
    }
  });

  test('Fan-out coverage by consumer service', async () => {
    const coverage = await panels.numbers('shutdowns', 'Fan-out coverage by consumer service');
    const toTell = spansOf('goaway').filter(({ tags }) => tags['lossless.goaway.result'] !== 'gone');
    const acked = toTell.filter(({ tags }) => tags['lossless.goaway.result'] === 'acked');
    const peers = tally(toTell, ({ tags }) => tags['service.peer.name']);
    const ackedPeers = tally(acked, ({ tags }) => tags['service.peer.name']);
    expect(Object.keys(coverage).sort()).toEqual(Object.keys(peers).sort());
    for (const [peer, count] of Object.entries(peers))
      expect(coverage[peer], peer).toBeCloseTo((ackedPeers[peer] ?? 0) / count, 1);
    expect(coverage['consumer']).toBeLessThan(1);
    expect(coverage['gateway']).toBe(1);
  });

  test('GoAways by provider, consumer and result', async () => {
    const samples = await panels.series('shutdowns', 'GoAways by provider, consumer and result');
    const counts = Object.fromEntries(
      samples
        .filter(({ value }) => value !== 0)
        .map(({ labels, value }) => [
          `${labels['service_name']} ${labels['service_peer_name']} ${labels['lossless_goaway_result']}`,
          value,
        ]),
    );
    expect(counts).toEqual(
      tally(
        spansOf('goaway'),
        ({ tags }) => `${tags['lossless.service']} ${tags['service.peer.name']} ${tags['lossless.goaway.result']}`,
      ),
    );
    expect(counts).toMatchObject({ 'shop consumer acked': 2, 'shop consumer refused': 1 });
  });

  test('Registry answers', async () => {
    const answers = await panels.numbers('shutdowns', 'Registry answers');
    expect(answers).toEqual(tally(spansOf('deregister'), ({ tags }) => tags['lossless.deregister.result']));
  });

  test('Drains', async () => {
    expect(await panels.numbers('shutdowns', 'Drains')).toEqual({ drained: 5, timeout: 1 });
  });

  test('Why drains were held, and why the wait for callers without the plugin ended', async () => {
    const held = await panels.numbers('shutdowns', 'Why drains were held');
    expect(held).toEqual(tally(spansOf('drain'), ({ tags }) => tags['lossless.drain.hold.reason']));
    const ended = await panels.numbers('shutdowns', 'Callers without the plugin');
    expect(ended).toEqual(tally(spansOf('entry'), ({ tags }) => tags['lossless.entry.ended_by']));
  });

  test('Last shutdowns of $service', async () => {
    for (const service of services) {
      const rows = await panels.rows('shutdowns', 'Last shutdowns of $service', { service });
      expect(idsOf(rows), service).toEqual(endedOf(service, () => true));
    }
  });

  test('Last shutdowns of $service that did not end well', async () => {
    for (const service of services) {
      const rows = await panels.rows('shutdowns', 'Last shutdowns of $service that did not end well', { service });
      expect(idsOf(rows), service).toEqual(endedOf(service, (result) => result !== 'success'));
    }
  });

  describe('One shutdown', () => {
    /** One of a service with consumers of our own, and one of the fleet. */
    const shown = ['shop', 'service-b'];

    test.each(shown)('of %s: How it ended', async (service) => {
      const { traceId } = traceOf(service);
      const rows = await panels.rows('one-shutdown', 'How it ended', { traceId });
      const { tags, durationMs } = only(service, 'offline');
      expect(rows).toEqual([
        {
          service,
          duration: durationMs,
          instance: tags['lossless.instance.id'],
          trigger: 'SIGTERM',
          result: service === 'shop' ? 'incomplete' : 'success',
          'consumers planned': tags['lossless.fanout.planned'],
          acked: tags['lossless.fanout.acked'],
          idle: tags['lossless.fanout.idle'],
          failed: service === 'shop' ? 1 : 0,
          'served meanwhile': tags['lossless.requests.served'],
          'after ack': 0,
          unmanaged: tags['lossless.requests.unmanaged'],
          ...(service === 'shop' && { error: tags['error.type'] }),
        },
      ]);
    });

    test.each(shown)('of %s: Trace', async (service) => {
      const { traceId, spans } = traceOf(service);
      const rows = await panels.rows('one-shutdown', 'Trace', { traceId });
      expect(rows.map(({ spanID }) => spanID).sort()).toEqual(spans.map(({ spanId }) => spanId).sort());
    });

    test.each(shown)('of %s: Fan-out', async (service) => {
      const rows = await panels.rows('one-shutdown', 'Fan-out', { traceId: traceOf(service).traceId });
      const expected = ofService(service, 'goaway').map(({ tags }) => [
        tags['lossless.consumer.instance.id'],
        tags['service.peer.name'],
        tags['server.port'],
        tags['lossless.goaway.result'],
        tags['lossless.goaway.attempt.count'],
      ]);
      expect(
        rows.map(({ instance, consumer, port, result, calls }) => [instance, consumer, port, result, calls]).sort(),
      ).toEqual(expected.sort());
      if (service === 'shop') expect(countBy(rows.map(({ result }) => result))).toEqual({ acked: 2, refused: 1 });
      else expect(countBy(rows.map(({ result }) => result))['acked']).toBe(2);
    });

    test('of service-b: Address lists after refresh', async () => {
      const rows = await panels.rows('one-shutdown', 'Address lists after refresh', {
        traceId: traceOf('service-b').traceId,
      });
      expect(rows.length).toBe(2);
      for (const row of rows) {
        const addresses = JSON.parse(row['addresses'] as string) as string[];
        expect(row).toMatchObject({ service: 'service-a', consumer: 'service-a', isolated: 'true' });
        expect(addresses).toHaveLength(row['after'] as number);
        expect(addresses).not.toContain(row['leaves']);
      }
    });

    test.each(shown)('of %s: Registry answer', async (service) => {
      const { tags } = only(service, 'deregister');
      const rows = await panels.rows('one-shutdown', 'Registry answer', { traceId: traceOf(service).traceId });
      expect(rows).toMatchObject([
        { registry: 'file', answer: 'confirmed', 'listed after': tags['lossless.deregister.listed_after'] },
      ]);
    });

    test.each(shown)('of %s: Drain', async (service) => {
      const rows = await panels.rows('one-shutdown', 'Drain', { traceId: traceOf(service).traceId });
      const { tags } = only(service, 'drain');
      expect(rows).toMatchObject([
        {
          result: 'drained',
          'in flight at the end': 0,
          'hold s': service === 'shop' ? 0.3 : 0,
          'hold because': service === 'shop' ? 'goaway_failed' : 'none',
          'quiet s': tags['lossless.drain.quiet'],
        },
      ]);
    });

    test.each(shown)('of %s: Traffic until it stopped', async (service) => {
      const rows = await panels.rows('one-shutdown', 'Traffic until it stopped', { traceId: traceOf(service).traceId });
      const recorded = JSON.parse(
        String(only(service, 'drain').tags['lossless.traffic.requests_per_second']),
      ) as number[];
      expect(rows).toEqual(recorded.map((count, second) => ({ second: String(second), 'requests per second': count })));
      expect(recorded.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    });
  });

  test('Starts by result', async () => {
    const counts = await panels.numbers('starts', 'Starts by result');
    expect(counts).toEqual(tally(spansOf('online'), ({ tags }) => tags['lossless.online.result']));
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(14);
  });

  test('Registry confirmations', async () => {
    expect(await panels.numbers('starts', 'Registry confirmations')).toEqual(
      tally(spansOf('register.read_back'), ({ tags }) => tags['lossless.register.result']),
    );
  });

  test('Still starting or warming', async () => {
    const counts = await panels.numbers('starts', 'Still starting or warming');
    expect(counts).toEqual(Object.fromEntries([...services, 'gateway'].map((service) => [service, 0])));
  });

  test('Starts over time', async () => {
    expect(await panels.sums('starts', 'Starts over time')).toEqual({ start: 14 });
  });

  test('Last starts of $service', async () => {
    for (const service of [...services, 'gateway']) {
      const rows = await panels.rows('starts', 'Last starts of $service', { service });
      const expected = starts.filter(({ spans }) => spans[0]?.service === service).map(({ traceId }) => traceId);
      expect(idsOf(rows), service).toEqual(expected.sort());
    }
  });

  describe('One start', () => {
    let trace: Trace;
    const only = (work: string): Span => trace.spans.find(({ name }) => name === `lossless.${work}`) as Span;
    beforeAll(() => {
      // One that was not rolled before it had its full share.
      const isWarm = ({ spans }: Trace): boolean =>
        spans.some(
          ({ tags }) => tags['lossless.online.result'] === 'success' && tags['lossless.service'] === 'service-a',
        );
      trace = starts.find(isWarm) as Trace;
    });
    const shown = (title: string) => panels.rows('one-start', title, { traceId: trace.traceId });

    test('How it ended', async () => {
      const { tags, durationMs } = only('online');
      expect(await shown('How it ended')).toEqual([
        {
          service: 'service-a',
          duration: durationMs,
          instance: tags['lossless.instance.id'],
          trigger: 'start',
          result: 'success',
          'readiness waits for': 'registered',
        },
      ]);
    });

    test('Trace', async () => {
      const rows = await shown('Trace');
      expect(rows.map(({ spanID }) => spanID).sort()).toEqual(trace.spans.map(({ spanId }) => spanId).sort());
    });

    test('Confirmation of the registry', async () => {
      const { tags } = only('register.read_back');
      expect(await shown('Confirmation of the registry')).toMatchObject([
        { calls: tags['lossless.register.attempts'], result: 'confirmed', listed: tags['lossless.register.listed'] },
      ]);
    });

    test('Warm-up', async () => {
      expect(await shown('Warm-up')).toMatchObject([{ 'seconds planned': 2, curve: 2 }]);
    });

    test.each([
      ['Weight in each step of the warm-up', 'weight', 'lossless.warmup.weights'],
      ['Requests in each step of the warm-up', 'requests', 'lossless.warmup.requests'],
    ])('%s', async (title, column, attribute) => {
      const recorded = JSON.parse(String(only('warmup').tags[attribute])) as number[];
      expect(await shown(title)).toEqual(recorded.map((number, step) => ({ step: String(step), [column]: number })));
      expect(recorded.length).toBeGreaterThan(1);
    });
  });

  test('Collectors scraped', async () => {
    expect(await panels.numbers('telemetry', 'Collectors scraped')).toEqual({ [new URL(jaeger.metricsUrl).host]: 1 });
  });

  test('Samples of the span metrics', async () => {
    const shown = await panels.numbers('telemetry', 'Samples of the span metrics');
    const text = await (await fetch(jaeger.metricsUrl)).text();
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(shown).toEqual({ [new URL(jaeger.metricsUrl).host]: samples.length });
  });

  test('Traces complete, by consumer service', async () => {
    const shares = await panels.numbers('telemetry', 'Traces complete, by consumer service');
    // The consumers that are no processes of their own export nothing.
    expect(shares).toEqual({ consumer: 0, gateway: 1, 'service-a': 1, 'service-b': 1 });
  });

  test('Spans over time', async () => {
    const received = tally(
      [...traces, ...starts].flatMap(({ spans }) => spans),
      ({ name }) => name,
    );
    expect(await panels.sums('telemetry', 'Spans over time')).toEqual(received);
  });

  test('Spans by service and kind', async () => {
    const samples = await panels.series('telemetry', 'Spans by service and kind');
    expect(
      Object.fromEntries(
        samples.map(({ labels, value }) => [`${labels['service_name']} ${labels['span_name']}`, value]),
      ),
    ).toEqual(
      tally(
        [...traces, ...starts].flatMap(({ spans }) => spans),
        ({ service, name }) => `${service} ${name}`,
      ),
    );
  });

  test('Alerts that fire', async () => {
    const firing = async () =>
      (await panels.series('telemetry', 'Alerts that fire', 'now')).map(
        ({ labels }) => `${labels['alertname']} ${labels['service_name']}`,
      );
    await until(async () => (await firing()).length === 3);
    expect((await firing()).sort()).toEqual([
      'LosslessDrainTimedOut slow',
      'LosslessFanOutIncomplete shop',
      'LosslessRequestsCut slow',
    ]);
  });

  test('durations of a time in which nothing happened are not shown', async () => {
    // A range is at least one second, and scrapes are half of one apart.
    await until(() => Date.now() > to + 2_000);
    const quiet = new PanelReader({ prometheus, jaegerUrl: jaeger.queryUrl, services, from: to, to: Date.now() });
    expect(await panels.numbers('shutdowns', 'Slowest twentieth by phase')).not.toEqual({});
    expect(await quiet.numbers('shutdowns', 'Slowest twentieth by phase')).toEqual({});
    expect(await quiet.numbers('shutdowns', 'Mean duration by phase')).toEqual({});
  });

  test('the alert rules see what went wrong and nothing else', async () => {
    const firing = await Promise.all(
      ALERTS.map(async ({ name, expr }) => {
        // The twelfth of the hour of a deadline is waited for, and Prometheus must have read for long; here it is over, and it has.
        const deadline = (traceOf('killed').spans[0]?.start ?? 0) / 1_000 + 30;
        const soon = expr
          .replaceAll(/vector\(time\(\) - \d+\)/g, `vector(${deadline})`)
          .replaceAll(/(up\{[^}]*\}\[5m\] offset) 50m/g, '$1 1s');
        const samples = await prometheus.query(soon, to / 1_000);
        return samples.map(({ labels, value }) => `${name} ${labels['service_name']} ${value}`);
      }),
    );
    expect(firing.flat().sort()).toEqual([
      'LosslessDrainTimedOut slow 1',
      'LosslessFanOutIncomplete shop 1',
      'LosslessRequestsCut slow 1',
      'LosslessShutdownTruncated killed 1',
    ]);
  });

  test('every panel of every dashboard was read', () => {
    expect(panels.unasked.filter((panel) => !OF_INSTANCES.test(panel))).toEqual([]);
  });

  function traceOf(service: string): Trace {
    const found = traces.find((trace) => assess(trace).service === service);
    if (found === undefined) throw new Error(`no trace of ${service}`);
    return found;
  }

  function ofService(service: string, work: string): readonly Span[] {
    return traceOf(service).spans.filter(({ name }) => name === `lossless.${work}`);
  }

  function only(service: string, work: string): Span {
    const spans = ofService(service, work);
    expect(spans).toHaveLength(1);
    return spans[0] as Span;
  }

  function endedOf(service: string, isWanted: (result: string) => boolean): readonly string[] {
    return traces
      .map(assess)
      .filter((each) => each.service === service && each.result !== 'missing' && isWanted(each.result))
      .map(({ traceId }) => traceId)
      .sort();
  }
});

/** Upper bounds of the buckets of spanmetrics, in milliseconds. */
const BUCKETS = [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1_000, 1_400, 2_000, 5_000, 10_000, 15_000];

/** How many spans have which value of an attribute. */
function tally(spans: readonly Span[], key: (span: Span) => unknown): Numbers {
  return countBy(spans.map(key));
}

function idsOf(rows: readonly Row[]): readonly string[] {
  return rows.map(({ traceID }) => String(traceID).padStart(32, '0')).sort();
}

function countBy(values: readonly unknown[]): Numbers {
  const counts: Record<string, number> = {};
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1;
  return counts;
}
