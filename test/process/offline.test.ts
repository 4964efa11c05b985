import { Agent, request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { fakeConsumers } from '../support/fakes/fake-consumers.ts';
import { entered } from '../support/process/announced.ts';
import { lossless } from '../support/process/cli.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { type Asking, operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { pause, until } from '../support/until.ts';

const world = useWorld();

/** Asks as an operator: what changes state by POST. */
async function call(service: Service, path: string, asking: Asking = {}) {
  const method = /^\/o(ff|n)line/.test(path) ? 'POST' : 'GET';
  return operator(await world().controlPort(service), path, { method, ...asking });
}

/** A request that takes `ms`: keeps an offline in `draining`. */
function slow({ port }: Service, ms: number): Promise<number> {
  return fetch(`http://127.0.0.1:${port}/slow?ms=${ms}`, { method: 'POST', body: 'x' }).then(
    (response) => response.status,
  );
}

describe('what begins an offline', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    '%s: the process ends by this signal',
    async (signal) => {
      const env = { LOSSLESS_SIGNALS: 'SIGTERM,SIGINT,SIGHUP,SIGQUIT' };
      const service = await world().service('provider', { env });
      expect(await world().leave(service, signal)).toEqual({ code: null, signal });
      const trace = await world().trace(service);
      expect(trace.verdict).toMatchObject({ result: 'success', whole: true, planned: 0 });
      expect(spansOf(trace, 'offline')[0]?.tags['lossless.offline.trigger']).toBe(signal);
    },
  );

  test.each([
    ['SIGHUP', {}],
    ['SIGTERM', { LOSSLESS_SIGNALS: 'SIGINT' }],
  ] as const)('not %s when LOSSLESS_SIGNALS lacks this signal', async (signal, env) => {
    const service = await world().service('provider', { env });
    expect(await world().leave(service, signal)).toEqual({ code: null, signal });
    expect(service.child.stderr).not.toContain('offline begun');
  });

  test.each([
    ['POST', {}],
    ['GET', { LOSSLESS_CONTROL_GET: 'true' }],
  ])('%s /offline answers the trace at once, and the process exits with 0', async (method, env) => {
    const service = await world().service('provider', { env });
    const { status, body } = await call(service, '/offline', { method });
    expect(status).toBe(202);
    await service.child.sees(/offline begun/);
    expect(body).toMatchObject({
      traceId: world().traceId(service),
      url: `${world().collector.queryUrl}/trace/${body['traceId']}`,
    });
    expect(await service.child.ends()).toEqual({ code: 0, signal: null });
  });

  test('/offline: an error of a handler of the application ends the process, as after a signal', async () => {
    const throws = "process.on('SIGTERM', () => { throw new Error('from the handler'); })";
    const NODE_OPTIONS = `${world().env('x')['NODE_OPTIONS']} --import=data:text/javascript,${encodeURIComponent(throws)}`;
    const service = await world().service('provider', { env: { NODE_OPTIONS } });
    await call(service, '/offline');
    expect(await service.child.ends()).toEqual({ code: 1, signal: null });
    expect(service.child.stderr).toContain('from the handler');
  });

  test('/offline?wait=true answers when the offline is over', async () => {
    const service = await world().service('provider');
    const { status, body } = await call(service, '/offline?wait=true');
    expect({ status, ...body }).toMatchObject({
      status: 200,
      state: 'stopped',
      result: 'success',
      planned: 0,
      acked: 0,
    });
    expect(await service.child.ends()).toEqual({ code: 0, signal: null });
  });

  test('a caller of /offline?wait=true that hangs up keeps no process from its end', async () => {
    const service = await world().service('provider');
    const answer = slow(service, 1_000);
    await until(async () => ((await call(service, '/status')).body['requests'] as { inflight: number }).inflight === 1);
    const hangUp = new AbortController();
    const called = call(service, '/offline?wait=true', { signal: hangUp.signal }).catch(() => 'hung up');
    await entered(service.child, 'notifying');
    hangUp.abort();
    expect(await called).toBe('hung up');
    expect(await answer).toBe(200);
    expect(await service.child.ends()).toEqual({ code: 0, signal: null });
  });

  test('lossless offline --wait', async () => {
    const service = await world().service('provider');
    const { stdout, code } = await lossless(['offline', '--wait', '--port', `${await world().controlPort(service)}`]);
    expect(stdout).toMatch(/^success\ntrace [0-9a-f]{32}\nhttp/);
    expect(code).toBe(0);
    await service.child.ends();
  });

  test('a call of /offline is linked to its cause', async () => {
    const service = await world().service('provider', {
      env: { TRACEPARENT: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` },
    });
    const traceparent = `00-${'3'.repeat(32)}-${'4'.repeat(16)}-01`;
    await call(service, '/offline?wait=true', { headers: { traceparent } });
    await service.child.ends();
    const answer = await fetch(`${world().collector.queryUrl}/api/traces/${world().traceId(service)}`);
    const raw = (await answer.json()) as {
      data: { spans: { operationName: string; references: { traceID: string }[] }[] }[];
    };
    const root = raw.data[0]?.spans.find((span) => span.operationName === 'lossless.offline');
    expect(root?.references.map((reference) => reference.traceID)).toEqual(['3'.repeat(32), '1'.repeat(32)]);
  });
});

describe('R23: several triggers are one run', () => {
  test('/offline, then SIGTERM: one trace', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '300' } });
    const held = await holdRequest(service);
    const first = await call(service, '/offline');
    const second = await call(service, '/offline');
    expect(second.body['traceId']).toBe(first.body['traceId']);
    service.child.signal('SIGTERM');
    expect(await held.letGo()).toBe(200);
    await service.child.ends();
    expect(service.child.stderr.match(/offline begun/g)).toHaveLength(1);
  });

  test('a second signal passes at once', async () => {
    const service = await world().service('provider');
    const answer = slow(service, 20_000).catch(() => 'cut');
    await until(async () => ((await call(service, '/status')).body['requests'] as { inflight: number }).inflight === 1);
    service.child.signal('SIGTERM');
    await entered(service.child, 'notifying');
    await pause(100); // an echo of the first one would be passed over
    service.child.signal('SIGTERM');
    expect(await service.child.ends(5_000)).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await answer).toBe('cut');
  });
});

describe('undo', () => {
  test('/online brings a draining instance back as a new generation, and it can leave again', async () => {
    const other = await world().service('provider');
    const service = await world().service('provider');
    const caller = await world().caller('http://provider/echo', 50);
    const held = await holdRequest(service);
    const generation = (await call(service, '/status')).body['generation'] as number;
    await call(service, '/offline');
    await entered(service.child, 'draining');
    expect(await lossless(['online', '--port', `${await world().controlPort(service)}`])).toMatchObject({ code: 0 });
    await until(async () => (await call(service, '/status')).body['state'] === 'warming');
    const status = (await call(service, '/status')).body;
    expect(status['generation']).toBeGreaterThan(generation);
    const { started } = status['requests'] as { started: number };
    await until(
      async () => ((await call(service, '/status')).body['requests'] as { started: number }).started > started + 3,
    );
    expect(await held.letGo()).toBe(200);
    const traceId = world().traceId(service);
    await until(
      async () =>
        (
          await world()
            .jaeger.trace(traceId)
            .catch(() => undefined)
        )?.spans.some((span) => span.tags['lossless.offline.result'] === 'cancelled') ?? false,
    );
    await world().leave(service);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    await world().leave(other);
  });

  test('an undo waits for no hanging consumer, and reports no failed GoAway', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_GOAWAY_TIMEOUT_MS: '20000' } });
    const fakes = await fakeConsumers(service.port, ['hangs']);
    await call(service, '/offline');
    await until(() => fakes.goAways === 1);
    expect(await call(service, '/online', { method: 'POST' })).toMatchObject({ status: 200 });
    const trace = await world().trace(service);
    fakes.close();
    expect(spansOf(trace, 'goaway').map(({ tags }) => tags['lossless.goaway.result'])).toEqual(['cancelled']);
    expect(trace.spans.filter(({ isError }) => isError)).toEqual([]);
    expect(trace.verdict).toMatchObject({ result: 'cancelled', whole: true, problems: [] });
  });

  test('after an undo the requests of a consumer that had acked do not count as after its ack', async () => {
    const service = await world().service('provider');
    const fakes = await fakeConsumers(service.port, ['answers', 'answers']);
    const held = await holdRequest(service);
    await call(service, '/offline');
    await until(async () => (await call(service, '/status')).body['state'] === 'draining');
    expect(await call(service, '/online', { method: 'POST' })).toMatchObject({ status: 200 });
    expect(await held.letGo()).toBe(200);
    await fakes.call();
    const metrics = await fetch(`http://127.0.0.1:${await world().controlPort(service)}/metrics`);
    expect(await metrics.text()).toMatch(/^lossless_requests_after_ack_total\S* 0$/m);
    fakes.close();
  });

  test('a signal during an undo begins a new offline', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '0' } });
    // Nobody listens there: the undo waits for an attempt that is under way.
    const header = encodeConsumer({ service: 'dead', instanceId: 'dead-1', generation: 1, port: 1 });
    const agent = new Agent({ keepAlive: true });
    const headers = { [CONSUMER_HEADER]: header };
    await new Promise((resolve) =>
      request({ port: service.port, agent, headers }, (response) => response.resume().on('end', resolve)).end(),
    );
    await call(service, '/offline');
    await entered(service.child, 'notifying');
    const undone = call(service, '/online', { method: 'POST' }).catch(() => undefined);
    await entered(service.child, 'starting', 'notifying');
    service.child.signal('SIGTERM');
    expect(await service.child.ends(15_000)).toEqual({ code: null, signal: 'SIGTERM' });
    await undone;
    agent.destroy();
    expect(service.child.stderr.match(/offline begun/g)).toHaveLength(2);
  });

  test('a second signal after an undo begins a new offline and does not pass at once', async () => {
    const service = await world().service('provider', {
      env: { LOSSLESS_GOAWAY_TIMEOUT_MS: '2000', LOSSLESS_HOLD_MS: '0' },
    });
    const fakes = await fakeConsumers(service.port, ['hangs']);
    const answer = slow(service, 1_500);
    await until(async () => (await world().served(service)) === 2);
    service.child.signal('SIGTERM');
    await until(() => fakes.goAways === 1);
    const undone = call(service, '/online', { method: 'POST' }).catch(() => undefined);
    await entered(service.child, 'starting', 'notifying');
    service.child.signal('SIGTERM');
    expect(await answer).toBe(200);
    expect(await service.child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    await undone;
    fakes.close();
    expect(service.child.stderr.match(/offline begun/g)).toHaveLength(2);
  });

  test('without an offline there is nothing to undo: the answer is 409', async () => {
    const service = await world().service('provider');
    expect(await call(service, '/online', { method: 'POST' })).toMatchObject({ status: 409 });
  });
});

test('R22: liveness and requests stay good while readiness fails', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '0' } });
  expect((await call(service, '/readiness')).status).toBe(200);
  const held = await holdRequest(service);
  await call(service, '/offline');
  expect((await call(service, '/readiness')).status).toBe(503);
  expect((await call(service, '/liveness')).status).toBe(200);
  const late = await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'late' });
  expect(await late.text()).toBe('late');
  expect(late.headers.get('connection')).toBe('close');
  // Who leaves is the business of its consumers.
  expect(late.headers.get('lossless-draining')).toBeNull();
  const header = encodeConsumer({ service: 'a', instanceId: 'b', generation: 1, port: 1 });
  const told = await fetch(`http://127.0.0.1:${service.port}/echo`, { headers: { [CONSUMER_HEADER]: header } });
  expect(told.headers.get('lossless-draining')).toMatch(/^"provider";id="/);
  expect(told.headers.get('connection')).toBe('close');
  expect(await held.letGo()).toBe(200);
  await service.child.ends();
});

test('R24: the grace period is one deadline, after which the instance cuts and counts the rest', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_GRACE_PERIOD_MS: '2000' } });
  const answer = slow(service, 20_000).catch(() => 'cut');
  await until(async () => ((await call(service, '/status')).body['requests'] as { inflight: number }).inflight === 1);
  const begun = performance.now();
  await world().leave(service);
  expect(performance.now() - begun).toBeLessThan(3_000);
  expect(await answer).toBe('cut');
  const trace = await world().trace(service);
  expect(trace.verdict).toMatchObject({ result: 'timeout', whole: true });
  expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.forced']).toBe(1);
});

test('the curve of requests shows that traffic was over before the stop', async () => {
  const service = await world().service('provider');
  const caller = await world().caller('http://provider/echo', 40);
  await world().service('provider');
  await world().leave(service);
  const [drain] = spansOf(await world().trace(service), 'drain');
  const perSecond = JSON.parse(String(drain?.tags['lossless.traffic.requests_per_second'])) as number[];
  expect(perSecond.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(10);
  expect(Number(drain?.tags['lossless.traffic.since'])).toBeLessThan(Date.now());
  await caller.stop();
});

test('log lines carry the ids of the trace', async () => {
  const service = await world().service('provider');
  await world().leave(service);
  const lines = service.child.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  const moves = lines.filter((line) => / -> /.test(line.msg) && line.trace_id === world().traceId(service));
  expect(moves.map((line) => line.msg)).toEqual([
    'warming -> notifying (offline)',
    'notifying -> draining (notified)',
    'draining -> stopping (drained)',
    'stopping -> stopped (stopped)',
  ]);
});
