import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { VARIABLES } from '../../src/config/variables.ts';
import { AUDIENCE_HEADER, encodeGoAway, GOAWAY_PATH } from '../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { SIGNATURE_HEADER, sign } from '../../src/protocol/signature.ts';
import { BAD } from '../support/bad-values.ts';
import { keysOf } from '../support/keys.ts';
import { appPortOf } from '../support/process/announced.ts';
import { type Asking, operator } from '../support/process/operator.ts';
import { type Service, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';
import { useServer } from '../support/use-server.ts';

const FLEET = 'a secret of the fleet';
const OTHER = 'a secret of others';

const world = useWorld();

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** An address of this machine that is not loopback. */
const foreign = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

async function control(service: Service, path: string, asking?: Asking) {
  return operator(await world().controlPort(service), path, asking);
}

async function consumersOf(service: Service): Promise<number> {
  const { body } = await control(service, '/status');
  return (body['consumers'] as { recent: number }).recent;
}

describe('a consumer header', () => {
  test.each([
    ['malformed', 'nonsense'],
    ['with a port out of range', '"a";id="b";gen=1;port=70000'],
    ['oversized', `"a";id="${'b'.repeat(600)}";gen=1;port=1`],
    ['as large as a server takes', `"a";id="${'b'.repeat(12_000)}";gen=1;port=1`],
  ])('%s: the provider answers the request and remembers no consumer', async (_, header) => {
    const service = await world().service('provider');
    const response = await fetch(`http://127.0.0.1:${service.port}/echo`, {
      method: 'POST',
      body: 'x',
      headers: { [CONSUMER_HEADER]: header },
    });
    expect(response.status).toBe(200);
    expect(await consumersOf(service)).toBe(0);
  });

  test.each([
    ['no secret', undefined, OTHER, ['127.0.0.1']],
    ['another secret', FLEET, OTHER, []],
    ['no signature', FLEET, undefined, []],
    ['the secret of the fleet', FLEET, FLEET, ['127.0.0.9']],
  ])(
    'that names another host, with %s: only the secret of the fleet sends the GoAway to that host',
    async (_, ours, theirs, expected) => {
      const called = new Set<string>();
      const server = createServer((incoming, response) => {
        called.add(incoming.socket.localAddress ?? '');
        response.end('{"isolated":true,"outstanding":0}\n{"idle":true,"addresses":[]}\n');
      });
      const port = await useServer(server, '0.0.0.0');
      const service = await world().service('provider', {
        env: { LOSSLESS_GRACE_PERIOD_MS: '5000', ...(ours !== undefined && { LOSSLESS_SECRET: ours }) },
      });
      const header = encodeConsumer(
        { service: 'a', instanceId: 'b', generation: 1, port, host: '127.0.0.9' },
        theirs === undefined ? undefined : keysOf(theirs),
        Date.now(),
      );
      await fetch(`http://127.0.0.1:${service.port}/echo`, {
        method: 'POST',
        body: 'x',
        headers: { [CONSUMER_HEADER]: header },
      });
      await world().leave(service);
      expect([...called]).toEqual(expected);
    },
  );
});

describe('a GoAway', () => {
  const goAway = (change: object = {}) =>
    encodeGoAway({
      provider: { service: 'provider', instanceId: 'x', generation: 1, address: '127.0.0.1:1', ...change },
      expiresInMs: 30_000,
    });

  async function send(consumer: Service, body: string, more: Record<string, string> = {}, localAddress?: string) {
    const port = await world().controlPort(consumer);
    const headers = { 'content-type': 'application/json', ...more };
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const call = request(
        { port, host: '127.0.0.1', method: 'POST', path: GOAWAY_PATH, headers, ...(localAddress && { localAddress }) },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  test.each([
    ['malformed', 'nonsense', 400],
    ['with a wrong field', '{"provider":{"service":7},"expiresInMs":1}', 400],
    ['empty', '', 400],
    ['oversized', goAway({ address: 'x'.repeat(5_000) }), 413],
  ])('%s gets a clear %s', async (_, body, status) => {
    const consumer = await world().service('consumer');
    const answer = await send(consumer, body);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'LOSSLESS_GOAWAY_INVALID',
      message: expect.stringContaining('expected'),
    });
    expect((await control(consumer, '/liveness')).status).toBe(200);
  });

  test('of an unknown service changes nothing', async () => {
    const consumer = await world().service('consumer');
    const answer = await send(consumer, goAway({ service: 'nobody' }));
    expect(answer).toMatchObject({ status: 200, text: expect.stringContaining('"outstanding":0') });
    expect((await control(consumer, '/status')).body['calls']).toMatchObject({ isolated: 0 });
  });

  test.skipIf(foreign === undefined)(
    'without a secret is believed only from the address of the instance it names',
    async () => {
      const env = { LOSSLESS_CONTROL_HOST: '::' };
      const host = { host: '0.0.0.0', env: { ...env, LOSSLESS_ADVERTISE: String(foreign) } };
      const leaving = await world().service('provider', host);
      await world().service('provider', host);
      const caller = await world().caller('http://provider/echo', 50, { env });
      const { instanceId, generation } = (await control(leaving, '/status')).body;
      const forged = goAway({ instanceId, generation, address: `${foreign}:${leaving.port}` });
      const consumer = { child: caller.child, port: 0 };
      for (const from of ['127.0.0.1', '127.0.0.2']) {
        const answer = await send(consumer, forged, {}, from);
        expect(answer.status).toBe(403);
        expect(JSON.parse(answer.text)).toMatchObject({ code: 'LOSSLESS_SENDER_FORBIDDEN' });
      }
      expect((await control(consumer, '/status')).body['calls']).toMatchObject({
        goAways: { isolated: 0, forbidden: 2 },
      });
      await world().called(leaving);
      await world().leave(leaving);
      expect((await world().trace(leaving)).verdict).toMatchObject({ result: 'success', acked: 1 });
      expect((await control(consumer, '/status')).body['calls']).toMatchObject({ goAways: { isolated: 1 } });
      expect(await caller.stop()).toMatchObject({ failed: 0 });
    },
  );

  test('for a process that has exited gets 410', async () => {
    const consumer = await world().service('consumer');
    expect((await send(consumer, goAway(), { [AUDIENCE_HEADER]: 'somebody-else' })).status).toBe(410);
  });

  describe('with a secret', () => {
    const env = { LOSSLESS_SECRET: FLEET };
    const token = { headers: { authorization: `Bearer ${keysOf(FLEET).token}` } };

    test.each([
      ['unsigned', () => undefined],
      ['signed with another secret', (id: string, body: string) => sign(keysOf(OTHER), 'goaway', id, body, Date.now())],
      ['five minutes old', (id: string, body: string) => sign(keysOf(FLEET), 'goaway', id, body, Date.now() - 300_000)],
      [
        'five minutes ahead',
        (id: string, body: string) => sign(keysOf(FLEET), 'goaway', id, body, Date.now() + 300_000),
      ],
      [
        'signed for another consumer',
        (_: string, body: string) => sign(keysOf(FLEET), 'goaway', 'another', body, Date.now()),
      ],
      ['signed with garbage', () => 't=1;n=2;s=3'],
    ])('%s gets 403', async (_, signature) => {
      const consumer = await world().service('consumer', { env });
      const { instanceId } = (await control(consumer, '/status', token)).body as { instanceId: string };
      const header = signature(instanceId, goAway());
      const answer = await send(consumer, goAway(), header === undefined ? {} : { [SIGNATURE_HEADER]: header });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'LOSSLESS_SIGNATURE_INVALID' });
    });

    test('signed is accepted once and refused the second time', async () => {
      const consumer = await world().service('consumer', { env });
      const { instanceId } = (await control(consumer, '/status', token)).body as { instanceId: string };
      const headers = { [SIGNATURE_HEADER]: sign(keysOf(FLEET), 'goaway', instanceId, goAway(), Date.now()) };
      expect((await send(consumer, goAway(), headers)).status).toBe(200);
      expect((await send(consumer, goAway(), headers)).status).toBe(403);
    });

    test('the fleet works with the secret', async () => {
      const leaving = await world().service('provider', { env });
      await world().service('provider', { env });
      const caller = await world().caller('http://provider/echo', 50, { env });
      await world().called(leaving);
      await world().leave(leaving);
      expect((await world().trace(leaving)).verdict).toMatchObject({ result: 'success', acked: 1 });
      expect(await caller.stop()).toMatchObject({ failed: 0 });
    });
  });
});

describe('the control port', () => {
  test.skipIf(foreign === undefined)('/offline and /status from another host are 403, probes are not', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_CONTROL_HOST: '::' } });
    const port = await world().controlPort(service);
    for (const path of ['/offline', '/online', '/status'])
      expect((await fetch(`http://${foreign}:${port}${path}`)).status).toBe(403);
    expect((await fetch(`http://${foreign}:${port}/readiness`)).status).toBe(200);
    expect((await control(service, '/status')).body['state']).toBe('warming');
  });

  test('a page in a browser on this machine counts as another host', async () => {
    const service = await world().service('provider');
    const port = await world().controlPort(service);
    const status = (headers: Record<string, string>) =>
      new Promise((resolve) =>
        request({ port, path: '/offline', headers }, (response) => resolve(response.resume().statusCode)).end(),
      );
    expect(await status({ host: 'attacker.example' })).toBe(403);
    expect(await status({ host: 'localhost', origin: 'https://attacker.example' })).toBe(403);
    // An image or a link of a page has no `Origin`.
    expect(await status({ host: `127.0.0.1:${port}`, 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect((await control(service, '/status')).body['state']).toBe('warming');
  });

  test('the token of the secret opens it; another one, and the secret itself, do not', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_SECRET: FLEET } });
    const call = (token: string) =>
      control(service, '/status', {
        headers: { host: 'elsewhere', origin: 'https://x', authorization: `Bearer ${token}` },
      });
    expect((await call(keysOf(FLEET).token)).status).toBe(200);
    for (const token of [FLEET, keysOf(OTHER).token, '']) expect((await call(token)).status).toBe(403);
  });

  test('answers unknown paths, methods and garbage, closes half-open connections, and goes on', async () => {
    const service = await world().service('provider');
    const port = await world().controlPort(service);
    expect((await control(service, '/nothing')).status).toBe(404);
    expect((await control(service, '/__proto__')).status).toBe(404);
    expect((await control(service, GOAWAY_PATH)).status).toBe(405);
    const sockets = Array.from({ length: 50 }, (_, n) => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      closers.push(() => socket.destroy());
      if (n % 2 === 0) socket.write('POST /offline HTTP/1.1\r\nhost: x\r\n'); // and nothing more
      return socket;
    });
    const garbage = connect(port, '127.0.0.1').on('error', () => {});
    garbage.write('\u0016\u0003\u0001garbage\r\n\r\n');
    await once(garbage.resume(), 'close');
    expect((await control(service, '/liveness')).status).toBe(200);
    await Promise.all(sockets.map((socket) => once(socket.resume(), 'close')));
    expect((await control(service, '/liveness')).status).toBe(200);
    expect(await world().leave(service)).toEqual({ code: null, signal: 'SIGTERM' });
  });

  test('of two applications with the same port the second names the holder, serves, and takes the port once it is free', async () => {
    const first = await world().service('shop', { env: { LOSSLESS_CONTROL_PORT: '0' } });
    const port = await world().controlPort(first);
    const second = await world().service('cart', { env: { LOSSLESS_CONTROL_PORT: String(port) } });
    const [line] = await second.child.sees(/.*"LOSSLESS_CONTROL_PORT".*/);
    expect(JSON.parse(line)).toMatchObject({
      level: 50,
      msg: expect.stringMatching(`; shop \\(process ${first.child.pid}\\) has port ${port}$`),
    });
    expect((await fetch(`http://127.0.0.1:${second.port}/echo`)).status).toBe(200);
    expect((await control(first, '/status')).body['service']).toBe('shop');
    await world().leave(first);
    await second.child.sees(new RegExp(`control server listens on port ${port}"`));
    expect((await control(second, '/status')).body['service']).toBe('cart');
  });
});

describe('the environment', () => {
  const app = new URL('../fixtures/apps/app.ts', import.meta.url);

  test('a bad value of any variable gives one line that names the variable, and the application runs without the plugin', async () => {
    const run = async ([name, value]: [string, string]) => {
      const env = { ...world().env('a'), LOSSLESS_STRICT: 'false', [name]: value };
      const child = world().children.node(app, { env });
      const port = await appPortOf(child);
      await child.sees(/LOSSLESS_CONFIG_INVALID/);
      expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
      expect(child.stderr.trim().split('\n')).toHaveLength(1);
      expect(child.stderr).toMatch(new RegExp(`\\b${name} must be `));
      child.signal('SIGTERM');
      expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
      return name;
    };
    const cases = Object.entries(BAD);
    const ran: string[] = [];
    for (let at = 0; at < cases.length; at += 4) ran.push(...(await Promise.all(cases.slice(at, at + 4).map(run))));
    expect(ran).toHaveLength(Object.keys(VARIABLES).filter((name) => name.startsWith('LOSSLESS_')).length);
  });

  test('an unforeseen failure gives one line, and the application runs without the plugin', async () => {
    const env = world().env('a', { LOSSLESS_SPOOL_DIR: '', LOSSLESS_STRICT: 'false' });
    const broken = 'data:text/javascript,process.geteuid=()=>{throw(Error("broken"))}';
    const child = world().children.node(app, {
      env: { ...env, NODE_OPTIONS: `"--import=${broken.replaceAll('"', '\\"')}" ${env['NODE_OPTIONS']}` },
    });
    const port = await appPortOf(child);
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
    expect(child.stderr).toBe('LOSSLESS_START_FAILED: started without lossless-lifecycle: Error: broken\n');
  });

  test('under LOSSLESS_STRICT it does not start', async () => {
    const child = world().children.node(app, { env: { ...world().env('a'), LOSSLESS_GRACE_PERIOD_MS: 'soon' } });
    expect(await child.ends()).toMatchObject({ code: 78 });
    expect(child.stderr).toContain('LOSSLESS_GRACE_PERIOD_MS');
    expect(child.stdout).not.toContain('listening');
  });

  test('an unusable registry: the application serves, and status says what the instance waits for', async () => {
    const child = world().children.node(app, {
      env: { ...world().env('a'), LOSSLESS_REGISTRY: 'file:///dev/null/registry' },
    });
    const port = await appPortOf(child);
    const service = { child, port };
    await child.sees(/LOSSLESS_REGISTRY_UNAVAILABLE/);
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
    await until(async () => String((await control(service, '/status')).body['waitsFor']).includes('registry'));
    expect((await control(service, '/readiness')).status).toBe(503);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
  });
});
