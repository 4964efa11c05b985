import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Trace } from '../../src/trace/model/trace.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { appPortOf, controlPortOf, entered } from '../support/process/announced.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const HEALTH = new URL('../fixtures/apps/health.ts', import.meta.url);

const world = useWorld();

/** Starts a service and does not wait for anything but its port. */
async function starting(env: Record<string, string> = {}, health = 200, ...more: readonly string[]): Promise<Service> {
  const child = world().children.node(HEALTH, { env: world().env('provider', env), args: [String(health), ...more] });
  const port = await appPortOf(child);
  await child.sees(/control server listens/);
  return { child, port };
}

async function control(service: Service, path: string) {
  const method = /^\/o(ff|n)line/.test(path) ? 'POST' : 'GET';
  return operator(await world().controlPort(service), path, { method });
}

function registered(): readonly string[] {
  const directory = join(world().directory, 'registry', 'provider');
  return existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith('.')) : [];
}

/** The trace of a start, once it is whole. */
async function online(service: Service, nth = 0): Promise<Trace> {
  let traces: readonly Trace[] = [];
  await until(async () => {
    const found = await world().jaeger.search({ service: 'provider', operation: 'lossless.online' });
    traces = found.filter(({ spans }) =>
      spans.every(({ tags }) => String(tags['lossless.instance.id']).includes(`:${service.child.pid}:`)),
    );
    return traces.length > nth && traces.every((trace) => assess(trace).whole);
  });
  return traces.toReversed()[nth] as Trace;
}

describe('the trace of a start', () => {
  test('has a span for each step, in their order, and ends with the warm-up', async () => {
    const env = {
      LOSSLESS_REGISTER_DELAY_MS: '50',
      LOSSLESS_PROBE: '/health',
      LOSSLESS_WARMUP_MS: '400',
    };
    const service = await starting(env);
    await entered(service.child, 'serving');
    const trace = await online(service);
    expect(assess(trace)).toMatchObject({ result: 'success', orphans: 0, whole: true });
    const names = trace.spans.map(({ name }) => name.slice('lossless.'.length));
    expect(names).toEqual([
      'online',
      'online.started',
      'locate',
      'delay',
      'probe',
      'register',
      'register.read_back',
      'ready',
      'warmup',
    ]);
    const [[locate], [probe], [register]] = [
      spansOf(trace, 'locate'),
      spansOf(trace, 'probe'),
      spansOf(trace, 'register'),
    ];
    const endOf = (span = { start: 0, durationMs: 0 }): number => span.start + span.durationMs;
    expect(endOf(probe)).toBeLessThanOrEqual(endOf(locate));
    expect(endOf(locate)).toBeLessThanOrEqual(register?.start ?? 0);
    const [warmup] = spansOf(trace, 'warmup');
    const weights = JSON.parse(String(warmup?.tags['lossless.warmup.weights'])) as number[];
    expect(weights).toHaveLength(20);
    expect(weights).toEqual(weights.toSorted((a, b) => a - b));
    expect(JSON.parse(String(warmup?.tags['lossless.warmup.requests']))).toHaveLength(20);
    expect(spansOf(trace, 'register.read_back')[0]?.tags).toMatchObject({
      'lossless.register.result': 'confirmed',
      'lossless.register.listed': 1,
    });
  });

  test.each([
    ['starting', { LOSSLESS_PROBE: '/health' }, 503, /not registered before/, 'never_ready'],
    ['warming', { LOSSLESS_WARMUP_MS: '60000' }, 200, /registering -> warming/, 'success'],
  ])(
    'an offline while the instance is %s cancels the start and leaves no span open',
    async (_, env, health, sign, result) => {
      const service = await starting(env, health);
      await service.child.sees(sign);
      await world().leave(service);
      const trace = await online(service);
      expect(assess(trace)).toMatchObject({ result: 'cancelled', orphans: 0, whole: true });
      expect((await world().trace(service)).verdict).toMatchObject({ result, whole: true });
    },
  );
});

describe('registration', () => {
  test('comes only after the application answers its probe', async () => {
    const service = await starting({ LOSSLESS_PROBE: '/health' }, 503);
    await service.child.sees(/LOSSLESS_PROBE_FAILED/);
    expect(registered()).toEqual([]);
    expect((await control(service, '/status')).body).toMatchObject({
      state: 'starting',
      waitsFor: 'a 2xx answer of /health; the last answer was 503',
    });
    expect((await control(service, '/readiness')).status).toBe(503);
    expect((await control(service, '/liveness')).status).toBe(200);
    service.child.say('204');
    await entered(service.child, 'warming');
    expect(registered()).toHaveLength(1);
    expect((await control(service, '/readiness')).status).toBe(200);
  });

  test('the probe asks where the application listens, if that is one address only', async () => {
    const service = await starting({ LOSSLESS_PROBE: '/health' }, 200, '127.0.0.2');
    await entered(service.child, 'warming');
    expect((await control(service, '/status')).body).toMatchObject({ address: `127.0.0.2:${service.port}` });
  });

  test('a server without a port is passed over for the next one', async () => {
    const socket = join(world().directory, 'admin.sock');
    const service = await starting({}, 200, '127.0.0.1', socket);
    await entered(service.child, 'warming');
    expect(service.child.stderr).toContain(`because consumers need a port; not ${socket}`);
    expect((await control(service, '/status')).body).toMatchObject({ address: `127.0.0.1:${service.port}` });
  });

  test('an undone offline asks the probe again: an unhealthy instance stays out', async () => {
    const env = { LOSSLESS_PROBE: '/health', LOSSLESS_REGISTER_DELAY_MS: '50', LOSSLESS_WARMUP_MS: '200' };
    const service = await starting(env, 503);
    await service.child.sees(/LOSSLESS_PROBE_FAILED/);
    const held = await holdRequest(service);
    await control(service, '/offline');
    await entered(service.child, 'draining');
    expect((await control(service, '/online')).status).toBe(200);
    await until(async () => String((await control(service, '/status')).body['waitsFor']).includes('503'));
    expect(await held.letGo()).toBe(200);
    expect((await control(service, '/readiness')).status).toBe(503);
    expect(registered()).toEqual([]);
    service.child.say('200');
    await entered(service.child, 'warming');
    expect(registered()).toHaveLength(1);
    const trace = await online(service, 1);
    expect(trace.spans.map(({ name }) => name)).not.toContain('lossless.delay');
  });

  test('while the registry is down the instance is not ready and names the reason; it registers once the registry is back', async () => {
    const directory = join(world().directory, 'registry');
    writeFileSync(directory, 'not a directory');
    const service = await starting();
    await service.child.sees(/LOSSLESS_REGISTRY_UNAVAILABLE/);
    expect((await control(service, '/readiness')).status).toBe(503);
    expect((await control(service, '/status')).body).toMatchObject({
      state: 'registering',
      waitsFor: expect.stringContaining('the registry: '),
    });
    const backAt = Date.now();
    renameSync(directory, `${directory}.aside`);
    await entered(service.child, 'warming');
    expect((await control(service, '/readiness')).status).toBe(200);
    const [name = ''] = registered();
    // The warm-up begins with the registration, not with the first try.
    const { instance } = JSON.parse(readFileSync(join(directory, 'provider', name), 'utf8'));
    expect(instance.registeredAt).toBeGreaterThanOrEqual(backAt);
    expect((await control(service, '/status')).body).toMatchObject({ waitsFor: 'the end of the warm-up' });
  });

  test('LOSSLESS_READINESS=warmed is ready only when the warm-up is over', async () => {
    const service = await starting({ LOSSLESS_READINESS: 'warmed', LOSSLESS_WARMUP_MS: '1500' });
    await entered(service.child, 'warming');
    const answer = await control(service, '/readiness');
    expect(answer).toMatchObject({ status: 503, body: { state: 'warming' } });
    await entered(service.child, 'serving');
    expect((await control(service, '/readiness')).status).toBe(200);
  });
});

test('a process that opens no port stays created, never registers, and tells what it waits for', async () => {
  await world().service('provider');
  const caller = await world().caller('http://provider/echo', 10);
  const port = await controlPortOf(caller.child);
  const { body } = await operator(port, '/status');
  expect(body).toMatchObject({
    state: 'created',
    waitsFor: 'an HTTP server of the application',
    ready: false,
    registry: { listed: false },
  });
  expect((await fetch(`http://127.0.0.1:${port}/readiness`)).status).toBe(503);
  await caller.stop();
});

test('an undone offline begins a new start with a link to it, and the next offline can be undone too', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_WARMUP_MS: '300' } });
  for (let times = 1; times <= 2; times++) {
    await entered(service.child, 'serving');
    const held = await holdRequest(service);
    await control(service, '/offline');
    expect((await control(service, '/online')).status).toBe(200);
    expect(await held.letGo()).toBe(200);
    const trace = await online(service, times);
    expect(spansOf(trace, 'online')[0]?.tags).toMatchObject({
      'lossless.online.trigger': 'undo',
      'lossless.online.result': 'success',
    });
  }
  await world().leave(service);
});

test('a crash loop writes one entry and one short trace for each start, and leaves nothing behind', async () => {
  const starts = 8;
  for (let n = 0; n < starts; n++) {
    const service = await starting({ LOSSLESS_WARMUP_MS: '60000' });
    await entered(service.child, 'warming');
    service.child.signal('SIGKILL');
    await service.child.ends();
  }
  const last = await starting();
  await entered(last.child, 'warming');
  await until(() => registered().length === 1);
  const found = await world().jaeger.search({ service: 'provider', operation: 'lossless.online.started', limit: 100 });
  expect(found.length).toBeLessThanOrEqual(starts + 1);
  for (const { spans } of found) expect(spans.length).toBeLessThanOrEqual(6);
});
