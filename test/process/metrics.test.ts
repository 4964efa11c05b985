import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import { controlPortOf, entered } from '../support/process/announced.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { ask, operator } from '../support/process/operator.ts';
import { type Caller, type Service, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

async function scrape({ child }: Pick<Service, 'child'>, accept = 'text/plain') {
  const port = await controlPortOf(child);
  const { status, headers, text: body } = await ask(port, '/metrics', { headers: { accept } });
  return {
    status,
    type: headers['content-type'] ?? '',
    body,
    /** The value of a series; labels are given as they are written. */
    value: (name: string, ...labels: readonly string[]): number => {
      const line = body
        .split('\n')
        .find((each) => each.startsWith(`${name}{`) && labels.every((label) => each.includes(label)));
      return Number(line?.split(' ').at(-1));
    },
  };
}

test('count what really happened, on both sides, through a shutdown', async () => {
  const leaving = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '0' } });
  await world().service('provider');
  const callers: Caller[] = [];
  for (let n = 0; n < 2; n++) callers.push(await world().caller('http://provider/echo', 40));
  for (let n = 0; n < 3; n++) await fetch(`http://127.0.0.1:${leaving.port}/echo`, { method: 'POST', body: 'x' });
  const before = await scrape(leaving);
  expect(before.status).toBe(200);
  expect(before.value('lossless_state', 'state="warming"')).toBe(1);
  expect(before.value('lossless_state', 'state="serving"')).toBe(0);
  expect(before.value('lossless_ready')).toBe(1);
  expect(before.value('lossless_registry_listed')).toBe(1);
  expect(before.value('lossless_recent_consumers', 'service="caller"')).toBe(2);
  expect(before.value('lossless_requests_total', 'caller="unmanaged"')).toBe(3);
  expect(before.value('lossless_goaways_sent_total', 'result="acked"')).toBe(0);
  expect(before.body).toMatch(
    /lossless_info\{service_version="[^"]+",instance_id="[^"]+",generation="\d+",service_name="provider"\} 1/,
  );

  const held = await holdRequest(leaving);
  expect((await scrape(leaving)).value('lossless_requests_in_flight')).toBeGreaterThanOrEqual(1);
  leaving.child.signal('SIGTERM');
  await entered(leaving.child, 'draining');
  const during = await scrape(leaving);
  expect(during.value('lossless_state', 'state="draining"')).toBe(1);
  expect(during.value('lossless_ready')).toBe(0);
  expect(during.value('lossless_goaways_sent_total', 'result="acked"')).toBe(2);
  expect(during.value('lossless_requests_after_ack_total')).toBe(0);
  expect(await held.letGo()).toBe(200);
  await leaving.child.ends();

  for (const caller of callers) {
    const { value } = await scrape(caller);
    expect(value('lossless_goaways_received_total', 'outcome="isolated"')).toBe(1);
    expect(value('lossless_quarantined_instances')).toBe(1);
    expect(value('lossless_pick_instances', 'service="provider"')).toBe(1);
    expect(value('lossless_pick_share', 'service="provider"')).toBe(1);
    expect(value('lossless_panic_picks_total', 'service="provider"')).toBe(0);
    expect((await caller.stop()).failed).toBe(0);
  }
});

describe('the page', () => {
  test('is OpenMetrics on request, with the same series', async () => {
    const service = await world().service('provider');
    const [open, plain] = [
      await scrape(service, 'application/openmetrics-text; version=1.0.0'),
      await scrape(service, 'text/plain'),
    ];
    expect(open.type).toMatch(/^application\/openmetrics-text/);
    expect(plain.type).toMatch(/^text\/plain/);
    expect(open.body.endsWith('\n# EOF\n')).toBe(true);
    const series = (body: string) => body.match(/^lossless_\w+\{[^}]*\}/gm);
    expect(series(open.body)).toEqual(series(plain.body));
    expect(open.body).toMatch(/^# TYPE lossless_requests counter$/m);
    expect(plain.body).toMatch(/^# TYPE lossless_requests_total counter$/m);
  });

  test('agrees with the status', async () => {
    const service = await world().service('provider');
    await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'x' });
    const port = await controlPortOf(service.child);
    const status = (await operator(port, '/status')).body as unknown as Status;
    const { value } = await scrape(service);
    expect(value('lossless_state', `state="${status.state}"`)).toBe(1);
    expect(value('lossless_requests_total', 'caller="unmanaged"')).toBe(status.requests.unmanaged);
    expect(value('lossless_requests_in_flight')).toBe(status.requests.inflight);
    expect(value('lossless_ready')).toBe(Number(status.ready));
    expect(value('lossless_weight')).toBeCloseTo(status.weight, 1);
  });

  test('counts spooled spans while the collector is down', async () => {
    const service = await world().service('provider', {
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
        OTEL_EXPORTER_OTLP_TIMEOUT: '200',
        LOSSLESS_WARMUP_MS: '100',
      },
    });
    await until(async () => (await scrape(service)).value('lossless_spool_files') > 0);
    const { value } = await scrape(service);
    expect(value('lossless_spool_bytes')).toBeGreaterThan(100);
    expect(value('lossless_spans_total', 'outcome="spooled"')).toBeGreaterThan(0);
    expect(value('lossless_spans_total', 'outcome="exported"')).toBe(0);
  });
});
