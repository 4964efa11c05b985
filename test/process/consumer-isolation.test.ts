import { afterEach, describe, expect, test } from 'vitest';
import type { ServiceStatus } from '../../src/consumer/directory/service.ts';
import { encodeDraining } from '../../src/protocol/header.ts';
import { bodyOf, post } from '../fixtures/consumer/goaway.ts';
import type { Echo } from '../fixtures/consumer/wire.ts';
import { ConsumerApp } from '../support/process/consumer-app.ts';
import { DeafInstance } from '../support/process/deaf-instance.ts';
import { LINE } from '../support/process/node-lines.ts';
import { PlainProvider } from '../support/process/plain-provider.ts';
import { until } from '../support/until.ts';

const URL_B = 'http://service-b/';
const children: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

async function setUp(
  ids: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ app: ConsumerApp; providers: PlainProvider[] }> {
  const providers = await Promise.all(ids.map((id) => PlainProvider.start(id)));
  const app = await ConsumerApp.start({ 'service-b': providers.map(({ instance }) => instance) }, { env });
  children.push(app, ...providers);
  return { app, providers };
}

type Many = { by: Record<string, number>; errors: string[] };
const many = (app: ConsumerApp, client: string, count: number): Promise<Many> =>
  app.run('many', { url: URL_B, count, headers: { 'x-client': client } });
const statusOf = async (app: ConsumerApp): Promise<ServiceStatus & { markers: number }> => {
  const { services, markers } = await app.run<{ services: Record<string, ServiceStatus>; markers: number }>('status');
  return { ...(services['service-b'] as ServiceStatus), markers };
};

test('a connection that undici 5 has forgotten is closed with the others', async () => {
  const { app, providers } = await setUp(['b1']);
  const [leaving] = providers as [PlainProvider];
  await app.run('http', { url: URL_B });
  expect(await app.run('undici5Twice', { url: URL_B })).toMatchObject([{ url: '/' }, { url: '/' }]);
  // Without another instance they would stay.
  const other = await PlainProvider.start('b2');
  children.push(other);
  app.list({ 'service-b': [leaving.instance, other.instance] });
  const answer = await post(app.port, bodyOf(leaving.instance));
  expect(await answer.line()).toMatchObject({ isolated: true });
  await until(async () => (await leaving.tell('state')).sockets === 0);
});

describe.each(['fetch', 'http'])('GoAway, calls made with %s', (client) => {
  test('under load no request starts after the ack, none is lost, and the second line comes when all connections are closed', async () => {
    const { app, providers } = await setUp(['b1', 'b2']);
    const [leaving] = providers as [PlainProvider, PlainProvider];
    await many(app, client, 50);
    const load = many(app, client, 3_000);
    await until(async () => (await leaving.tell('state')).served > 100);
    const answer = await post(app.port, bodyOf(leaving.instance));
    const ack = (await answer.line()) as { isolated: boolean; outstanding: number };
    const atAck = await leaving.tell('state');
    const idle = await answer.line();
    const atIdle = await leaving.tell('state');
    const { errors, by } = await load;
    const atEnd = await leaving.tell('state');
    expect(errors).toEqual([]);
    expect(by['b2']).toBeGreaterThan(1_500);
    expect(ack.isolated).toBe(true);
    expect(atEnd.served - atAck.served).toBeLessThanOrEqual(ack.outstanding);
    expect(atEnd.served).toBe(atIdle.served);
    expect(idle).toEqual({ idle: true, addresses: [`127.0.0.1:${providers[1]?.instance.port}`] });
    await until(async () => (await leaving.tell('state')).sockets === 0);
  });

  test('outstanding requests end normally and hold the second line back', async () => {
    const { app, providers } = await setUp(['b1']);
    const [leaving] = providers as [PlainProvider];
    const held = app.run<Echo>(client, { url: `${URL_B}slow`, method: 'POST', body: 'held' });
    await until(() => leaving.held === 1);
    const other = await PlainProvider.start('b2');
    children.push(other);
    app.list({ 'service-b': [leaving.instance, other.instance] });
    const answer = await post(app.port, bodyOf(leaving.instance));
    expect(await answer.line()).toMatchObject({ isolated: true, outstanding: 1 });
    let isIdle = false;
    const idle = answer.line().then((line) => {
      isIdle = true;
      return line;
    });
    expect((await many(app, client, 50)).by).toEqual({ b2: 50 });
    expect(isIdle).toBe(false);
    await leaving.tell('release');
    expect((await held).body).toBe('held');
    expect(await idle).toMatchObject({ idle: true });
    await until(async () => (await leaving.tell('state')).sockets === 0);
  });

  test('R9: low rate, the draining marker on one response isolates, a marker that names another instance does not', async () => {
    const { app, providers } = await setUp(['b1', 'b2']);
    const [leaving, staying] = providers as [PlainProvider, PlainProvider];
    await staying.tell('mark', { marker: encodeDraining({ ...leaving.instance, generation: 99 }) });
    expect(Object.keys((await many(app, client, 40)).by)).toHaveLength(2);
    expect((await statusOf(app)).markers).toBe(0);
    await leaving.tell('mark', { marker: encodeDraining(leaving.instance) });
    await many(app, client, 60);
    expect((await many(app, client, 60)).by).toEqual({ b2: 60 });
    expect((await statusOf(app)).markers).toBe(1);
  });

  test('R12: a stale list does not undo the isolation, which ends by itself', async () => {
    const { app, providers } = await setUp(['b1', 'b2']);
    const list = { 'service-b': providers.map(({ instance }) => instance) };
    await many(app, client, 10);
    await (await post(app.port, bodyOf((providers[0] as PlainProvider).instance, 1_000))).line();
    app.list(list);
    expect((await many(app, client, 50)).by).toEqual({ b2: 50 });
    await until(async () => (await statusOf(app)).instances.every(({ isolated }) => !isolated));
    expect(Object.keys((await many(app, client, 50)).by)).toHaveLength(2);
  });

  test('R14: a restart on the quarantined address, same or other instance id, is served at once', async () => {
    const { app, providers } = await setUp(['b1', 'b2']);
    const [leaving, staying] = providers as [PlainProvider, PlainProvider];
    await many(app, client, 10);
    await (await post(app.port, bodyOf(leaving.instance))).line();
    const env = { FIXTURE_PORT: String(leaving.instance.port) };
    await leaving.stop();
    const again = await PlainProvider.start('b1', { generation: 2 }, env);
    children.push(again);
    app.list({ 'service-b': [again.instance, staying.instance] });
    expect(Object.keys((await many(app, client, 50)).by)).toHaveLength(2);
    app.list({ 'service-b': [{ ...again.instance, instanceId: 'new', generation: 1 }, staying.instance] });
    expect((await many(app, client, 50)).errors).toEqual([]);
    expect((await statusOf(app)).instances.map(({ isolated }) => isolated)).toEqual([false, false]);
  });

  test('R15: the consumer calls the isolated last instance until another one comes', async () => {
    const { app, providers } = await setUp(['b1']);
    const [last] = providers as [PlainProvider];
    const load = many(app, client, 2_000);
    await until(async () => (await last.tell('state')).served > 100);
    const answer = await post(app.port, bodyOf(last.instance));
    await answer.line();
    const idle = answer.line();
    expect(await load).toEqual({ by: { b1: 2_000 }, errors: [] });
    const { panicPicks } = await statusOf(app);
    expect(panicPicks).toBeGreaterThan(0);
    expect((await many(app, client, 50)).by).toEqual({ b1: 50 });
    app.list({ 'service-b': [] });
    expect((await many(app, client, 50)).by).toEqual({ b1: 50 });
    const other = await PlainProvider.start('b2');
    children.push(other);
    app.list({ 'service-b': [last.instance, other.instance] });
    expect((await many(app, client, 50)).by).toEqual({ b2: 50 });
    expect((await statusOf(app)).panicPicks).toBe(panicPicks + 100);
    expect(await idle).toMatchObject({ idle: true });
    await until(async () => (await last.tell('state')).sockets === 0);
  });

  test('R34: a repeated GoAway and a late one of an older generation change nothing', async () => {
    const { app, providers } = await setUp(['b1', 'b2']);
    const [leaving, staying] = providers as [PlainProvider, PlainProvider];
    await many(app, client, 10);
    for (let n = 0; n < 3; n++)
      expect(await (await post(app.port, bodyOf(leaving.instance))).line()).toMatchObject({ isolated: true });
    const renewed = { ...staying.instance, generation: 7 };
    app.list({ 'service-b': [leaving.instance, renewed] });
    expect(await (await post(app.port, bodyOf(staying.instance))).line()).toMatchObject({
      isolated: true,
      outstanding: 0,
    });
    expect((await many(app, client, 50)).by).toEqual({ b2: 50 });
    expect((await statusOf(app)).panicPicks).toBe(0);
  });
});

describe('requests that were never sent', () => {
  test.each(['fetch', 'fetchStream', 'undici', 'http', 'httpAgent', 'axios', 'got'])(
    '%s skips an address that accepts no connection, and sends the body whole',
    async (client) => {
      const good = await PlainProvider.start('b1');
      const app = await ConsumerApp.start({});
      children.push(app, good);
      const odd = ['[::1]', '[::1', 'a b', 'http://x', '10.0.0.1:80', 'fe80::1'].map((host) => ({
        ...good.instance,
        host,
      }));
      const list = [...odd, { ...good.instance, port: 70_000 }].map((instance, n) => ({
        ...instance,
        instanceId: `odd-${n}`,
      }));
      for (const each of list) {
        app.list({ 'service-b': [each, good.instance] });
        for (let n = 0; n < 3; n++) {
          const { body } = await app.run<Echo>(client, { url: URL_B, method: 'POST', body: 'whole' });
          expect(body).toBe('whole');
        }
      }
    },
  );

  test('http: requests queued in an agent move to another instance with their bodies', async () => {
    const { app, providers } = await setUp(['b1']);
    const [leaving] = providers as [PlainProvider];
    const answers = app.run<Echo[]>('httpQueue', { url: 'http://service-b', count: 5, body: 'queued ' });
    await until(() => leaving.held === 1);
    const other = await PlainProvider.start('b2');
    children.push(other);
    app.list({ 'service-b': [leaving.instance, other.instance] });
    const answer = await post(app.port, bodyOf(leaving.instance));
    expect(await answer.line()).toMatchObject({ isolated: true, outstanding: 1 });
    await leaving.tell('release');
    for (let n = 0; n < 4; n++) {
      await until(() => other.held === 1);
      other.held = 0;
      await other.tell('release');
    }
    const all = await answers;
    expect(all.map(({ instanceId }) => instanceId)).toEqual(['b1', 'b2', 'b2', 'b2', 'b2']);
    expect(all.map(({ body }) => body)).toEqual([0, 1, 2, 3, 4].map((n) => `queued ${n}`));
    expect(await answer.line()).toMatchObject({ idle: true });
  });

  test('R15, http: with one instance, requests queued in an agent go over a new connection, so that the old one becomes idle', async () => {
    const { app, providers } = await setUp(['b1']);
    const [last] = providers as [PlainProvider];
    const answers = app.run<Echo[]>('httpQueue', { url: 'http://service-b', count: 3, body: '' });
    await until(() => last.held === 1);
    const answer = await post(app.port, bodyOf(last.instance));
    expect(await answer.line()).toMatchObject({ isolated: true, outstanding: 3 });
    for (let n = 0; n < 3; n++) {
      await until(() => last.held === 1);
      last.held = 0;
      await last.tell('release');
    }
    expect((await answers).map(({ body }) => body)).toEqual(['0', '1', '2']);
    const other = await PlainProvider.start('b2');
    children.push(other);
    app.list({ 'service-b': [other.instance] });
    expect(await answer.line()).toMatchObject({ idle: true });
  });

  test.each([
    'fetch',
    'fetchStream',
    'fetchForm',
    'undici',
    'http',
    'httpAgent',
    'httpNoAgent',
    'httpStream',
    'axios',
    'got',
  ])('%s sends the POST to another instance after a refused connection, body whole', async (client) => {
    const { app, providers } = await setUp(['b1', 'b2']);
    const [gone] = providers as [PlainProvider];
    await gone.stop();
    for (let n = 0; n < 6; n++) {
      const { instanceId, body } = await app.run<Echo>(client, {
        url: URL_B,
        method: 'POST',
        body: 'a body of some length',
      });
      expect(instanceId).toBe('b2');
      expect(body).toContain('a body of some length');
    }
  });

  test.each(['fetch', 'undici', 'http'])(
    '%s: when every instance refuses, the application sees the refusal',
    async (client) => {
      const { app, providers } = await setUp(['b1', 'b2']);
      await Promise.all(providers.map((provider) => provider.stop()));
      await expect(app.run(client, { url: URL_B, method: 'POST', body: 'x' })).rejects.toThrow(/ECONNREFUSED/);
    },
  );
});

test.each([
  ['this Node.js', LINE],
  ['Node.js 22.19', '22.19'],
] as const)(
  'a kept connection stays open when the agent hands it out in the turn of the isolation, on %s',
  async (_, line) => {
    const provider = await PlainProvider.start('b1');
    const app = await ConsumerApp.start({ 'service-b': [provider.instance] }, { line });
    children.push(app, provider);
    const { instance } = provider;
    const body = JSON.stringify({ ...instance, address: `${instance.host}:${instance.port}` });
    expect(await app.run('isolatedInTurn', { url: URL_B, body })).toEqual(Array(10).fill('answered'));
  },
);

describe.each([
  ['this Node.js', LINE],
  ['Node.js 22.19', '22.19'],
] as const)('an instance whose host drops packets, on %s', (_, line) => {
  const withHole = async (ids: readonly string[]): Promise<ConsumerApp> => {
    const providers = await Promise.all(['b1', ...ids].map((id) => PlainProvider.start(id)));
    const [{ instance }] = providers as [PlainProvider];
    const hole = await DeafInstance.start(instance, 'hole');
    const listed = [hole, ...providers.slice(1)].map((child) => child.instance);
    const app = await ConsumerApp.start({ 'service-b': listed }, { line });
    children.push(app, hole, ...providers);
    return app;
  };

  test.each(['http', 'httpAgent', 'httpNoAgent', 'httpStream', 'axiosAgent', 'fetch', 'undici', 'fetchStream', 'got'])(
    '%s sends the POST to another instance, body whole',
    async (client) => {
      const app = await withHole(['b2']);
      const input = { url: URL_B, method: 'POST', body: 'a body of some length' };
      const answers = await Promise.all(Array.from({ length: 4 }, () => app.run<Echo>(client, input)));
      expect(answers.map(({ instanceId, body }) => `${instanceId} ${body}`)).toEqual(
        Array(4).fill('b2 a body of some length'),
      );
    },
    20_000,
  );

  test('20 requests a second by each client: none fails, none waits for more than one attempt to connect, and fewer and fewer try that instance', async () => {
    const clients = ['fetch', 'http', 'keepAlive', 'axios'];
    const apps = await Promise.all(clients.map(() => withHole(['b2'])));
    const outcomes = await Promise.all(
      clients.map((client, n) =>
        (apps[n] as ConsumerApp).run<{ errors: string[]; slow: number; longest: number }>('paced', {
          url: URL_B,
          headers: { 'x-client': client },
        }),
      ),
    );
    for (const { errors, slow, longest } of outcomes) {
      expect(errors).toEqual([]);
      // Twice 1.2 s would be two connections.
      expect(longest).toBeLessThan(2_400);
      // Those of the first 1.2 s, and then one each time it has rested.
      expect(slow).toBeLessThan(24);
    }
  }, 60_000);

  test.each([
    ['axiosTimeout', 'ECONNABORTED'],
    ['httpAbortedBefore', 'ABORT_ERR'],
    ['httpAbortedInQueue', 'ABORT_ERR'],
  ])(
    '%s: without another instance, only the application ends the request',
    async (client, code) => {
      const app = await withHole([]);
      expect(await app.run(client, { url: URL_B })).toBe(code);
    },
    20_000,
  );
});
