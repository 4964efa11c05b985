import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import { type FakeConsumers, fakeConsumers, type Manner } from '../support/fakes/fake-consumers.ts';
import { keysOf } from '../support/keys.ts';
import { listening } from '../support/listening.ts';
import { entered } from '../support/process/announced.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { pause, until } from '../support/until.ts';

const world = useWorld();

let fakes: FakeConsumers | undefined;
afterEach(() => fakes?.close());

test('R27: 250 consumers make 250 GoAways, all of them answered and all in the trace', async () => {
  // 250 control servers share one busy process here.
  const service = await world().service('provider', { env: { LOSSLESS_GOAWAY_TIMEOUT_MS: '5000' } });
  fakes = await fakeConsumers(service.port, new Array(250).fill('answers'));
  await world().leave(service);
  const trace = await world().jaeger.trace(world().traceId(service));
  expect(fakes.goAways).toBe(250);
  expect(spansOf(trace, 'goaway').filter((span) => span.tags['lossless.goaway.result'] === 'acked')).toHaveLength(250);
  expect(spansOf(trace, 'offline')[0]?.tags).toMatchObject({
    'lossless.offline.result': 'success',
    'lossless.fanout.planned': 250,
    'lossless.fanout.acked': 250,
    'lossless.fanout.idle': 250,
    'lossless.fanout.complete': true,
  });
  expect(spansOf(trace, 'notify.service')).toHaveLength(1);
});

describe('R16: dead consumers', () => {
  test('do not delay the others, and the trace names each', async () => {
    const service = await world().service('provider', {
      env: { LOSSLESS_HOLD_MS: '0', LOSSLESS_GRACE_PERIOD_MS: '10000', LOSSLESS_GOAWAY_TIMEOUT_MS: '500' },
    });
    const manners: Manner[] = [...new Array(18).fill('answers'), 'refuses', 'hangs'];
    fakes = await fakeConsumers(service.port, manners);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeLessThan(5_000);
    const trace = await world().jaeger.trace(world().traceId(service));
    const results = spansOf(trace, 'goaway')
      .map((span) => String(span.tags['lossless.goaway.result']))
      .sort();
    expect(results).toEqual([...new Array(18).fill('acked'), 'refused', 'timeout']);
    // Two more tries for each of the dead; the one that refuses may get a late one before the other one has had all of its time.
    const isLate = (span: Span): boolean => Number(span.tags['http.request.resend_count']) > 2;
    expect(spansOf(trace, 'goaway.attempt').filter((span) => !isLate(span))).toHaveLength(4);
    expect(
      trace.spans
        .filter((span) => span.isError && !isLate(span))
        .map((span) => span.name)
        .sort(),
    ).toEqual(
      ['goaway', 'goaway', ...new Array(4).fill('goaway.attempt'), 'notify', 'notify.service', 'offline'].map(
        (work) => `lossless.${work}`,
      ),
    );
    expect(spansOf(trace, 'offline')[0]?.tags['lossless.offline.result']).toBe('incomplete');
  });

  test('that have exited count as gone, not as failed', async () => {
    const service = await world().service('provider');
    fakes = await fakeConsumers(service.port, ['answers', 'ends']);
    await fakes.call();
    fakes.disconnect();
    await world().leave(service);
    const trace = await world().jaeger.trace(world().traceId(service));
    const results = spansOf(trace, 'goaway')
      .map((span) => span.tags['lossless.goaway.result'])
      .sort();
    expect(results).toEqual(['acked', 'gone']);
    expect(spansOf(trace, 'offline')[0]?.tags).toMatchObject({
      'lossless.offline.result': 'success',
      'lossless.fanout.planned': 1,
    });
  });

  test('the hold time passes when a consumer could not be told', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '2500' } });
    fakes = await fakeConsumers(service.port, ['refuses']);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeGreaterThan(2_500);
    const [drain] = spansOf(await world().jaeger.trace(world().traceId(service)), 'drain');
    expect(drain?.tags).toMatchObject({
      'lossless.drain.hold.reason': 'goaway_failed',
      'lossless.drain.hold': 2.5,
      'lossless.drain.result': 'drained',
    });
  });
});

test('R16: a consumer that stands still for seconds is told when it answers again, and nothing is lost or missing', async () => {
  const env = { LOSSLESS_HOLD_MS: '10000', LOSSLESS_GOAWAY_TIMEOUT_MS: '300' };
  const [leaving] = [await world().service('provider', { env }), await world().service('provider', { env })];
  const caller = await world().caller('http://provider/', 50);
  await world().called(leaving);
  caller.child.signal('SIGSTOP');
  leaving.child.signal('SIGTERM');
  await entered(leaving.child, 'draining');
  caller.child.signal('SIGCONT');
  await leaving.child.ends();
  const { verdict, ...trace } = await world().trace(leaving);
  expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  expect(verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1, problems: [] });
  const [goaway] = spansOf(trace, 'goaway');
  expect(goaway?.tags['lossless.goaway.result']).toBe('acked');
  // Three attempts in vain, and a later one.
  expect(Number(goaway?.tags['lossless.goaway.attempt.count'])).toBeGreaterThan(3);
  expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.hold.reason']).toBe('none');
});

test('a GoAway goes to the host that a consumer advertises, also when a service has its name', async () => {
  const env = { LOSSLESS_SECRET: 'a-secret-of-the-fleet', LOSSLESS_HOLD_MS: '0' };
  const peer = await world().service('peer', { env });
  const service = await world().service('provider', { env });
  const caller = { service: 'peer', instanceId: 'peer-1', generation: 1, port: 1, host: 'peer' };
  await fetch(`http://127.0.0.1:${service.port}/echo`, {
    method: 'POST',
    body: 'x',
    headers: { [CONSUMER_HEADER]: encodeConsumer(caller, keysOf(env.LOSSLESS_SECRET), Date.now()) },
  });
  await world().leave(service);
  const [goaway] = spansOf(await world().jaeger.trace(world().traceId(service)), 'goaway');
  expect(goaway?.tags['lossless.goaway.result']).not.toBe('rejected');
  expect(await world().served(peer)).toBe(0);
});

test('R17: the process does not end before a slow consumer has answered', async () => {
  const service = await world().service('provider');
  let idle = false;
  const control = createServer((_, response) => {
    response.write('{"isolated":true,"outstanding":1}\n');
    setTimeout(() => {
      idle = true;
      response.end('{"idle":true,"addresses":["127.0.0.1:1"]}\n');
    }, 1_000);
  });
  const port = await listening(control);
  const header = encodeConsumer({ service: 'slow', instanceId: 'slow-1', generation: 1, port });
  await fetch(`http://127.0.0.1:${service.port}/echo`, {
    method: 'POST',
    body: 'x',
    headers: { [CONSUMER_HEADER]: header },
  });
  await world().leave(service);
  control.close();
  expect(idle).toBe(true);
});

test('R11: a consumer whose first call comes during the drain gets the marker and a GoAway', async () => {
  const service = await world().service('provider');
  const held = await holdRequest(service);
  service.child.signal('SIGTERM');
  await entered(service.child, 'draining');
  fakes = await fakeConsumers(service.port, ['answers']);
  expect(fakes.markers).toBe(1);
  await until(() => fakes?.goAways === 1);
  expect(await held.letGo()).toBe(200);
  await service.child.ends();
  const trace = await world().jaeger.trace(world().traceId(service));
  expect(spansOf(trace, 'offline')[0]?.tags).toMatchObject({
    'lossless.fanout.planned': 1,
    'lossless.fanout.acked': 1,
  });
});

test('R28: nothing writes the entry again once it is removed', async () => {
  const service = await world().service('provider');
  const directory = join(world().directory, 'registry', 'provider');
  const entries = () => readdirSync(directory).filter((file) => file.endsWith('.json'));
  expect(entries()).toHaveLength(1);
  const held = await holdRequest(service);
  service.child.signal('SIGTERM');
  await entered(service.child, 'draining');
  for (let look = 0; look < 20; look++) {
    expect(entries()).toEqual([]);
    await pause(100);
  }
  await held.letGo();
  await service.child.ends();
});
