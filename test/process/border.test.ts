import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { failedHooks } from '../support/failed-hooks.ts';
import { LINES } from '../support/process/node-lines.ts';
import { useWorld } from '../support/process/world.ts';
import { useServer } from '../support/use-server.ts';

const world = useWorld();
const BORDER = new URL('../fixtures/apps/border.ts', import.meta.url);
const FAULTS = new URL('../fixtures/apps/faults.ts', import.meta.url);

async function start(server: Server): Promise<number> {
  return useServer(server);
}

type Results = Record<string, Record<string, unknown[]>>;

test.each(LINES)(
  'with an environment proxy every client calls services directly, and other hosts as without the plugin, on Node.js %s',
  async (line) => {
    const [asked, elsewhere] = [[] as string[], 'http://elsewhere.example/path?q=1'];
    const proxy = createServer((received, response) => {
      asked.push(`${received.method} ${received.url}`);
      response.writeHead(502).end();
    }).on('connect', (received, socket) => {
      asked.push(`CONNECT ${received.url}`);
      socket.end('HTTP/1.1 502 no\r\n\r\n');
    });
    const url = `http://user:word@127.0.0.1:${await start(proxy)}`;
    const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: url, NO_PROXY: '127.0.0.1' };
    await Promise.all([world().service('OrderService'), world().service('OrderService')]);
    const plugged = world().children.node(BORDER, {
      line,
      env: world().env('caller', env),
      args: ['calls', 'http://OrderService/', elsewhere],
    });
    const [, result = ''] = await plugged.sees(/^result (.*)$/m);
    const results = JSON.parse(result) as Results;
    const seen = asked.splice(0);
    const plain = world().children.node(BORDER, { line, env, args: ['calls', elsewhere] });
    const [, other = ''] = await plain.sees(/^result (.*)$/m);
    expect(new Set(Object.values(results['http://OrderService/'] ?? {}).flat())).toEqual(new Set([200]));
    expect(results[elsewhere]).toEqual((JSON.parse(other) as Results)[elsewhere]);
    expect(seen).toEqual(asked);
    expect(plugged.stderr).not.toMatch(/LOSSLESS_DISPATCHER|LOSSLESS_HOOK_FAILED/);
  },
);

test('consumers find a service whose name has capitals, and the service leaves without loss', async () => {
  const services = await Promise.all([world().service('OrderService'), world().service('OrderService')]);
  const callers = await Promise.all(
    ['fetch', 'http'].map((client) => world().caller('http://OrderService/echo', 50, { client })),
  );
  const [leaving] = services;
  if (leaving === undefined) throw new Error('no service');
  await world().called(leaving, 10);
  await world().leave(leaving);
  const { verdict } = await world().trace(leaving);
  expect(verdict).toMatchObject({ problems: [], whole: true, result: 'success', planned: 2, acked: 2, afterAck: 0 });
  for (const caller of callers) expect(await caller.stop()).toMatchObject({ failed: 0 });
});

test('the plugin never sends a received consumer header on, however the application copies the header', async () => {
  const seen: IncomingHttpHeaders[] = [];
  const third = await start(
    createServer((received, response) => {
      seen.push(received.headers);
      response.end();
    }),
  );
  const gateway = world().children.node(BORDER, {
    env: world().env('gate'),
    args: ['gateway', `http://localhost:${third}/`],
  });
  const [, one, two] = await gateway.sees(/^gateway (\d+) (\d+)$/m);
  const evil = '"evil";id="evil-1";gen=1;port=1';
  for (const path of ['/fetch', '/raw', '/http', '/distinct']) {
    const asked = request({ port: Number(one), path, headers: { 'Lossless-Consumer': evil, 'x-other': 'kept' } }).end();
    const [response] = await once(asked, 'response');
    expect(await text(response)).toBe('200');
    if (path === '/distinct') continue;
    const session = connect(`http://127.0.0.1:${two}`);
    const stream = session.request({ ':path': path, 'lossless-consumer': evil, 'x-other': 'kept' });
    expect(await text(stream)).toBe('200');
    session.close();
  }
  // Another process may ask at a port that was its peer's a moment ago.
  const passed = seen.filter(({ 'x-other': other }) => other === 'kept');
  expect(passed).toHaveLength(7);
  expect(passed.filter((headers) => 'lossless-consumer' in headers)).toEqual([]);
});

test.each(LINES)(
  'a failure inside a hook logs one line, and the application serves and sends requests, on Node.js %s',
  async (line) => {
    const other = await start(createServer((_received, response) => response.end('other')));
    await Promise.all([world().service('shop'), world().service('shop')]);
    const app = world().children.node(BORDER, {
      line,
      env: world().env('app', { LOSSLESS_SPOOL_DIR: `${world().spoolDir}-app` }),
      args: ['spoiled', 'http://shop/', `http://localhost:${other}/`],
    });
    const [, result = ''] = await app.sees(/^result (.*)$/m);
    const unknown = expect.stringMatching(/ENOTFOUND|EAI_AGAIN/);
    expect(JSON.parse(result)).toEqual({
      before: 200,
      'odd messages': [200, 200, 200, 200],
      // Of a fetch the global dispatcher steps aside, and the agent beneath it takes the request.
      'spoiled fetch': [200, 200, 200],
      'spoiled http': unknown,
      after: [200, 200, 200, 200],
    });
    const hooks = failedHooks(app.stderr);
    expect(hooks).toEqual([...new Set(hooks)]);
    expect(hooks).toEqual(
      expect.arrayContaining([
        'http.client.response.finish',
        'http.server.request.start',
        'http.server.response.finish',
        'http2.server.stream.created',
        'tracing:net.server.listen:asyncEnd',
        'undici:request:create',
        'a request of fetch or undici',
        'a request of node:http',
      ]),
    );
  },
);

test.each(LINES)(
  'a failure in a timer, in an event of a server or a connection, or of the marker logs one line, on Node.js %s',
  async (line) => {
    await world().service('shop');
    const app = world().children.node(FAULTS, {
      line,
      env: world().env('app', { LOSSLESS_SPOOL_DIR: `${world().spoolDir}-app` }),
      args: ['http://shop/'],
    });
    const [, result = ''] = await app.sees(/^result (.*)$/m);
    expect(JSON.parse(result)).toEqual({
      timer: '200 served',
      newListener: 'echoed',
      removeListener: '200 served',
      upgrade: 'echoed',
      'close of a connection': '200 served',
      session: '200 served',
      stream: '200 served',
      'close of a stream': '200 served',
      'close of a session': '200 served',
      'close of a server': '200 served',
      free: ['200 ok', '200 ok'],
      agentRemove: true,
      close: '200 ok',
      marker: '200 served',
      'marker of a stream': '200 served',
      after: ['200 served', '200 served', '200 ok'],
    });
    const hooks = failedHooks(app.stderr);
    expect(hooks).toEqual([...new Set(hooks)]);
    expect(hooks).toEqual(
      expect.arrayContaining([
        'a timer',
        'the event newListener of a server',
        'the event removeListener of a server',
        'the event upgrade of a server',
        'the event close of a connection',
        'the event session of a server',
        'the event stream of a server',
        'the event close of a stream',
        'the event close of a session',
        'the event close of a server',
        'a connection of node:http',
        'the draining marker',
      ]),
    );
  },
);
