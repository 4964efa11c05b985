import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Registry } from '../../src/registry/registry.ts';
import type { Trace } from '../../src/trace/model/trace.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { anInstance } from '../support/an-instance.ts';
import { listening, portOf } from '../support/listening.ts';
import { appPortOf, entered } from '../support/process/announced.ts';
import { LINE, LINES, type NodeLine } from '../support/process/node-lines.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { freePort } from '../support/servers/built.ts';
import { certificate } from '../support/tls/certificate.ts';
import { until } from '../support/until.ts';

const FRONT = new URL('../fixtures/apps/front.ts', import.meta.url);
const PINNED = new URL('../fixtures/consumer/pinned.ts', import.meta.url);

const world = useWorld();
let registry: Registry;
const providers: Counting[] = [];
beforeEach(async () => {
  registry = await openRegistry(new URL(world().registryUrl), { clock: systemClock, log: () => {} });
});
afterEach(async () => {
  await Promise.all(providers.splice(0).map((provider) => provider.close()));
  await registry.close();
});

/** An instance of `provider` in this process that counts its connections. */
class Counting {
  readonly instance;
  readonly #server: Server;
  connections = 0;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server, scheme: 'http' | 'https') {
    this.#server = server;
    const port = portOf(server);
    this.instance = anInstance({ service: 'provider', instanceId: `provider:${port}`, port, scheme });
    server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get open(): number {
    return this.#sockets.size;
  }

  static async start(server: Server, scheme: 'http' | 'https' = 'http'): Promise<Counting> {
    await listening(server);
    const provider = new Counting(server, scheme);
    providers.push(provider);
    await registry.register(provider.instance);
    return provider;
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    await registry.deregister(this.instance);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }
}

const anHttpProvider = (): Promise<Counting> =>
  Counting.start(createServer((_, response) => response.end('answered')) as Server);

/** Starts the application; resolves when it is registered. */
async function started(env: Record<string, string>, line: NodeLine = LINE, file: URL = FRONT): Promise<Service> {
  const child = world().children.node(file, { line, env: world().env('front', env) });
  const port = await appPortOf(child);
  await entered(child, 'serving');
  return { child, port };
}

const call = async ({ port }: Service, client: string, url: string, withinMs = 30_000): Promise<string> => {
  const signal = AbortSignal.timeout(withinMs);
  return (await fetch(`http://127.0.0.1:${port}/${client}?url=${encodeURIComponent(url)}`, { signal })).text();
};

/** The trace of the start of a process. */
async function startOf({ child }: Service): Promise<Trace> {
  let trace: Trace | undefined;
  await until(async () => {
    const found = await world().jaeger.search({ service: 'front', operation: 'lossless.online' });
    trace = found.find(({ spans }) => String(spans[0]?.tags['lossless.instance.id']).includes(`:${child.pid}:`));
    return trace !== undefined && assess(trace).whole;
  });
  return trace as Trace;
}

const NOW = { LOSSLESS_WARMUP_MS: '0', LOSSLESS_HOLD_MS: '500' };
const NAMED = { ...NOW, LOSSLESS_PRECONNECT: 'provider' };

describe.each(LINES)('connections built ahead on Node %s', (line) => {
  test.each(['fetch', 'undici', 'http', 'http-keep-alive', 'http-no-agent'])(
    'the first request of %s finds its connection, which was built before this instance was registered',
    async (client) => {
      const both = [await anHttpProvider(), await anHttpProvider()];
      const service = await started(NAMED, line);
      await until(() => both.every(({ connections }) => connections === 1));
      for (let n = 0; n < 2; n++) expect(await call(service, client, 'http://provider/')).toBe('answered');
      expect(both.map(({ connections }) => connections)).toEqual([1, 1]);
      const trace = await startOf(service);
      const [span] = spansOf(trace, 'preconnect');
      expect(trace.spans.map(({ name }) => name).indexOf('lossless.preconnect')).toBeLessThan(
        trace.spans.map(({ name }) => name).indexOf('lossless.register'),
      );
      expect(span?.tags).toMatchObject({
        'lossless.preconnect.services': 1,
        'lossless.preconnect.planned': 2,
        'lossless.preconnect.connected': 2,
        'lossless.preconnect.failed': 0,
      });
    },
  );

  test.each([
    ['fetch', 1],
    ['undici', 1],
    ['https', 1],
    // A request with special settings cannot use a prepared connection.
    ['https-own-settings', 2],
  ])('with TLS, %s uses %i connections', async (client, connections) => {
    const { key, cert } = await certificate();
    const provider = await Counting.start(
      createHttps({ key, cert }, (_, response) => response.end('answered')) as Server,
      'https',
    );
    const authorities = join(world().directory, 'cert.pem');
    writeFileSync(authorities, cert);
    const service = await started({ ...NAMED, NODE_EXTRA_CA_CERTS: authorities }, line);
    await until(() => provider.connections === 1);
    expect(await call(service, client, 'https://provider/')).toBe('answered');
    expect(provider.connections).toBe(connections);
  });
});

describe.each(LINES)('the client behaves as usual on Node %s', (line) => {
  test('the time-out of an agent runs on a connection that was built ahead', async () => {
    await Counting.start(createServer(() => {}) as Server);
    const service = await started(NAMED, line);
    expect(await call(service, 'http-impatient', 'http://provider/', 5_000)).toBe('timed out');
  });

  test('a request with a local port comes from that port', async () => {
    await Counting.start(createServer(({ socket }, response) => response.end(String(socket.remotePort))) as Server);
    const port = String(await freePort());
    const service = await started({ ...NAMED, FRONT_LOCAL_PORT: port }, line);
    expect(await call(service, 'http-own-port', 'http://provider/')).toBe(port);
  });

  test("the authorities of the request's own secure context decide, although a connection with other authorities stands ready", async () => {
    const [{ key, cert }, other] = await Promise.all([certificate(), certificate()]);
    const server = createHttps({ key, cert }, (_, response) => response.end('answered'));
    const provider = await Counting.start(server as Server, 'https');
    const [authorities, pinned] = ['cert.pem', 'pinned.pem'].map((name) => join(world().directory, name)) as [
      string,
      string,
    ];
    writeFileSync(authorities, cert);
    writeFileSync(pinned, other.cert);
    const env = { ...NAMED, NODE_EXTRA_CA_CERTS: authorities, PINNED: pinned };
    const service = await started(env, line, PINNED);
    await until(() => provider.connections === 1);
    expect(await call(service, '', 'https://provider/')).toMatch(/CERT|SIGNATURE/);
  });

  test.each([
    // The fetch of an older undici, whatever that of Node.js knows.
    ['undici7-twice', '1.1,1.1'],
    ['fetch-twice', line === '26' ? '1.1,2.0' : '1.1,1.1'],
  ])('later connections give %s HTTP/2 only if it supports that: %s', async (client, versions) => {
    const { key, cert } = await certificate();
    let waiting: (() => void)[] = [];
    // Answers when both are there, so that they need two connections.
    const server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
      waiting.push(() => response.end(request.httpVersion));
      if (waiting.length < 2) return;
      for (const answer of waiting) answer();
      waiting = [];
    });
    const provider = await Counting.start(server as unknown as Server, 'https');
    const authorities = join(world().directory, 'cert.pem');
    writeFileSync(authorities, cert);
    const service = await started({ ...NAMED, NODE_EXTRA_CA_CERTS: authorities }, line);
    expect(await call(service, client, 'https://provider/')).toBe(versions);
    expect(provider.connections).toBe(2);
  });

  test.each(['provider', 'none'])(
    'a client of http gets no connection with TLS, with LOSSLESS_PRECONNECT=%s',
    async (services) => {
      const { key, cert } = await certificate();
      await Counting.start(createHttps({ key, cert }, (_, response) => response.end('over TLS')) as Server, 'https');
      const authorities = join(world().directory, 'cert.pem');
      writeFileSync(authorities, cert);
      const env = { ...NOW, LOSSLESS_PRECONNECT: services, NODE_EXTRA_CA_CERTS: authorities };
      expect(await call(await started(env, line), 'http', 'http://provider/')).toMatch(/^Error: /);
    },
  );

  test('a process with nothing else to do ends although connections stand ready', async () => {
    const provider = await anHttpProvider();
    const service = await started(NAMED, line);
    await until(() => provider.open === 1);
    await call(service, 'end', '');
    expect(await service.child.ends()).toEqual({ code: 0, signal: null });
  });
});

// Agents of Node.js know proxies since 24.5 and 22.21.
test.skipIf(!process.allowedNodeEnvironmentFlags.has('--use-env-proxy'))(
  'an agent with a proxy uses the proxy for its first request too',
  async () => {
    const provider = await anHttpProvider();
    const proxy = createServer((_, response) => response.end('by proxy'));
    const port = await listening(proxy);
    const service = await started({ ...NAMED, FRONT_PROXY: `http://127.0.0.1:${port}` });
    for (let n = 0; n < 2; n++) expect(await call(service, 'http-proxied', 'http://provider/')).toBe('by proxy');
    expect(provider.connections).toBe(1);
    proxy.close();
    proxy.closeAllConnections();
  },
);

describe('which services', () => {
  test('the services called last time; none with `none`, and none at the first start', async () => {
    const provider = await anHttpProvider();
    const first = await started(NOW);
    expect(spansOf(await startOf(first), 'preconnect')).toEqual([]);
    expect(provider.connections).toBe(0);
    expect(await call(first, 'fetch', 'http://provider/')).toBe('answered');
    const file = join(world().spoolDir, 'front.calls');
    await until(() => existsSync(file));
    expect(readFileSync(file, 'utf8')).toBe('["provider"]');
    await world().leave(first);
    const before = provider.connections;
    const second = await started(NOW);
    await until(() => provider.connections === before + 1);
    await call(second, 'http', 'http://provider/');
    expect(provider.connections).toBe(before + 1);
    await world().leave(second);
    const third = await started({ ...NOW, LOSSLESS_PRECONNECT: 'none' });
    await until(() => provider.connections === before + 1);
    expect(spansOf(await startOf(third), 'preconnect')).toEqual([]);
  });

  test('connections built ahead do not count as calls: called services replace merely remembered ones', async () => {
    const provider = await anHttpProvider();
    const file = join(world().spoolDir, 'front.calls');
    const old = Array.from({ length: 50 }, (_, n) => `old-${n}`);
    const instances = old.map((service) => ({ ...provider.instance, service }));
    await Promise.all(instances.map((instance) => registry.register(instance)));
    mkdirSync(world().spoolDir, { mode: 0o700 });
    writeFileSync(file, JSON.stringify(old));
    const service = await started(NOW);
    await until(() => provider.connections === 50);
    expect(await call(service, 'fetch', 'http://provider/')).toBe('answered');
    await until(() => JSON.parse(readFileSync(file, 'utf8'))[0] === 'provider');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(['provider', ...old.slice(0, -1)]);
    await Promise.all(instances.map((instance) => registry.deregister(instance)));
  });

  test.each([
    ['nothing', ''],
    ['half a list', '['],
    ['an object', '{"a":1}'],
    ['invalid names', '["../x", 5, null, ""]'],
    ['too many bytes', `["${'x'.repeat(20_000)}"]`],
  ])('a memory file that holds %s counts as empty', async (_, text) => {
    mkdirSync(world().spoolDir, { mode: 0o700 });
    writeFileSync(join(world().spoolDir, 'front.calls'), text);
    const service = await started(NOW);
    expect(spansOf(await startOf(service), 'preconnect')).toEqual([]);
    expect(service.child.stderr).not.toMatch(/"level":[45]0/);
  });
});

describe('dead and leaving instances', () => {
  test('dead and silent instances are counted, and the start goes on in time', async () => {
    const alive = await anHttpProvider();
    const dead = await anHttpProvider();
    await dead.close();
    await registry.register(dead.instance);
    const silent = await Counting.start(
      createTcp((socket) => socket.resume()),
      'https',
    );
    const [span] = spansOf(await startOf(await started(NAMED)), 'preconnect');
    expect(span?.tags).toMatchObject({
      'lossless.preconnect.planned': 3,
      'lossless.preconnect.connected': 1,
      'lossless.preconnect.failed': 2,
    });
    expect(span?.durationMs).toBeLessThan(4_000);
    expect([alive.open, silent.open]).toEqual([1, 0]);
    await registry.deregister(dead.instance);
  });

  test('unknown services cost no connection', async () => {
    const service = await started({ ...NOW, LOSSLESS_PRECONNECT: 'nobody,provider' });
    const [span] = spansOf(await startOf(service), 'preconnect');
    expect(span?.tags).toMatchObject({ 'lossless.preconnect.services': 0, 'lossless.preconnect.planned': 0 });
  });

  test('an instance that leaves before its first request loses its connection, and does not wait for it', async () => {
    const leaving = await world().service('provider', { env: NOW });
    const staying = await anHttpProvider();
    const service = await started(NAMED);
    const began = Date.now();
    expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
    expect(Date.now() - began).toBeLessThan(5_000);
    for (let n = 0; n < 3; n++) expect(await call(service, 'http', 'http://provider/')).toBe('answered');
    const counting = await anHttpProvider();
    const another = await started(NAMED);
    await until(() => counting.open === 1);
    await registry.deregister(counting.instance);
    await until(() => counting.open === 0);
    expect(await call(another, 'fetch', 'http://provider/')).toBe('answered');
    expect(staying.connections).toBe(2);
    // It keeps nothing alive.
    await world().leave(another);
  });

  test('a server that closes a connection that stands ready is asked over a new one', async () => {
    const provider = await anHttpProvider();
    const service = await started(NAMED);
    await until(() => provider.open === 1);
    provider.cut();
    await until(() => provider.open === 0);
    expect(await call(service, 'fetch', 'http://provider/')).toBe('answered');
    expect(await call(service, 'http', 'http://provider/')).toBe('answered');
  });
});
