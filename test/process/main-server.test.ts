import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { controlPortOf, entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { operator } from '../support/process/operator.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { freePort } from '../support/servers/built.ts';
import { pause, until } from '../support/until.ts';

const SEVERAL = new URL('../fixtures/apps/several.ts', import.meta.url);

const world = useWorld();

/** A process without a server yet. */
async function starts(env: Record<string, string> = {}): Promise<Child> {
  const child = world().children.node(SEVERAL, { env: world().env('provider', { LOSSLESS_WARMUP_MS: '0', ...env }) });
  await child.sees(/^up$/m);
  return child;
}

function says(child: Child, line: string): void {
  child.say(line);
}

/** Lets a server listen. @returns its port */
async function listens(child: Child, name: string, ...where: readonly string[]): Promise<number> {
  const before = [...child.stdout.matchAll(/ listening /g)].length;
  says(child, ['listen', name, ...where].join(' '));
  await until(() => [...child.stdout.matchAll(/ listening /g)].length > before);
  const [, port] = [...child.stdout.matchAll(new RegExp(`^${name} listening (.*)$`, 'gm'))].at(-1) ?? [];
  return Number(port);
}

async function control(child: Child, path: string, method = 'GET') {
  const port = await controlPortOf(child);
  return operator(port, path, { method });
}

async function status(child: Child): Promise<Status> {
  return (await control(child, '/status')).body as unknown as Status;
}

/** The addresses in the registry. */
function registered(): readonly string[] {
  const directory = join(world().directory, 'registry', 'provider');
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith('.')) : [];
  return names.map((name) => {
    const { instance } = JSON.parse(readFileSync(join(directory, name), 'utf8'));
    return `${instance.host}:${instance.port}`;
  });
}

/** Waits until the process is ready, registered at that port. */
async function isAt(child: Child, port: number): Promise<void> {
  await until(async () => {
    const { address, ready, registry } = await status(child);
    return ready && registry.listed && address?.endsWith(`:${port}`) === true;
  });
  expect(registered().filter((address) => address.endsWith(`:${port}`))).toHaveLength(1);
}

/** Ends a process by SIGTERM. @returns what the trace of its offline says */
async function leaves(child: Child) {
  child.signal('SIGTERM');
  await child.ends();
  return world().trace({ child, port: 0 });
}

/** The results of the starts of one process, by their trigger. */
async function onlines(child: Child): Promise<readonly string[]> {
  let found: readonly string[] = [];
  await until(async () => {
    const traces = await world().jaeger.search({ service: 'provider', operation: 'lossless.online' });
    const own = traces.filter(({ spans }) => String(spans[0]?.tags['lossless.instance.id']).includes(`:${child.pid}:`));
    const roots = own.filter((trace) => assess(trace).whole).map((trace) => spansOf(trace, 'online')[0]?.tags ?? {});
    found = roots.map((tags) => `${tags['lossless.online.trigger']} ${tags['lossless.online.result']}`).toReversed();
    return roots.length === own.length && roots.length > 0;
  });
  return found;
}

describe('a helper that listens before the application', () => {
  test.each([
    ['a metrics server', 'metrics', 200],
    ['a metrics server', 'metrics', 1_000],
    ['a health server, as lightship has it', 'health', 200],
    ['a health server, as lightship has it', 'health', 1_000],
  ])('%s (%s), %i ms earlier: the plugin registers the application, and the log says so', async (_, helper, ms) => {
    const child = await starts();
    const first = await listens(child, helper);
    await pause(ms);
    const port = await listens(child, 'app');
    await isAt(child, port);
    await child.sees(/LOSSLESS_SERVER_AMBIGUOUS/);
    expect(child.stderr).toContain(`port ${port} is taken for the one that consumers call`);
    expect(child.stderr).toContain(`not port ${first}.`);
    const caller = await world().caller('http://provider/echo', 50);
    const other = await world().service('provider');
    expect((await leaves(child)).verdict).toMatchObject({ result: 'success', whole: true, acked: 1, problems: [] });
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    await world().leave(other);
  });

  test.each([
    ['LOSSLESS_PROBE, which the helper does not answer', {}, { LOSSLESS_PROBE: '/health' }],
    ['PORT', { PORT: true }, {}],
    ['LOSSLESS_ADVERTISE', { LOSSLESS_ADVERTISE: true }, {}],
  ])('stays unregistered with %s', async (_, named: Record<string, boolean>, more: Record<string, string>) => {
    const port = await freePort();
    const child = await starts({
      ...more,
      ...(named['PORT'] && { PORT: String(port) }),
      ...(named['LOSSLESS_ADVERTISE'] && { LOSSLESS_ADVERTISE: `127.0.0.1:${port}` }),
    });
    await listens(child, 'metrics');
    const seen = new Set<string>();
    const watching = setInterval(() => {
      for (const address of registered()) seen.add(address);
    }, 20);
    await pause(1_000);
    await listens(child, 'app', '127.0.0.1', String(port));
    await isAt(child, port);
    clearInterval(watching);
    expect([...seen].filter((address) => address !== `127.0.0.1:${port}`)).toEqual([]);
    expect(child.stderr).not.toContain('LOSSLESS_SERVER_AMBIGUOUS');
    await child.sees(/several HTTP servers listen/);
  });

  test('a named port is registered as soon as a server listens on it', async () => {
    const port = await freePort();
    const child = await starts({ PORT: String(port) });
    await isAt(child, await listens(child, 'app1'));
    await listens(child, 'app2', '127.0.0.1', String(port));
    await isAt(child, port);
    expect(registered()).toEqual([`127.0.0.1:${port}`]);
  });

  test('a server that has answered consumers stays registered when another one listens, and the log says so', async () => {
    const child = await starts();
    const port = await listens(child, 'app');
    await isAt(child, port);
    const caller = await world().caller('http://provider/echo', 50);
    const other = await listens(child, 'metrics');
    await child.sees(new RegExp(`port ${port} is taken .* it has answered consumers; not port ${other}`));
    expect((await status(child)).address).toBe(`127.0.0.1:${port}`);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });

  test('a helper that was open while another server answered consumers is not registered when the application closes that server', async () => {
    const child = await starts();
    says(child, 'listen app\nlisten metrics');
    const [, port = ''] = await child.sees(/^app listening (\d+)$/m);
    await isAt(child, Number(port));
    await child.sees(/LOSSLESS_SERVER_AMBIGUOUS/);
    const caller = await world().caller('http://provider/echo', 50);
    await caller.stop();
    says(child, 'close app');
    await child.sees(/has closed the registered server .* until another one begins to listen/);
    await until(() => registered().length === 0);
    const next = await listens(child, 'app2');
    await isAt(child, next);
    expect(registered()).toEqual([`127.0.0.1:${next}`]);
  });
});

describe('a registered server that the application closes', () => {
  test('at once: the plugin registers the next server that listens, in the same start', async () => {
    const child = await starts();
    await listens(child, 'app');
    says(child, 'close app');
    await child.sees(/app closed/);
    expect(await status(child)).toMatchObject({ state: 'starting', waitsFor: 'an HTTP server of the application' });
    await isAt(child, await listens(child, 'app'));
    expect((await leaves(child)).verdict).toMatchObject({ result: 'success', whole: true });
    expect(await onlines(child)).toEqual(['start success']);
  });

  test('later: the instance is neither ready nor registered, and the same server on a new port begins a new start', async () => {
    const child = await starts();
    const before = await listens(child, 'app');
    await isAt(child, before);
    const [other, caller] = [await world().service('provider'), await world().caller('http://provider/echo', 50)];
    says(child, 'close app');
    await until(async () => (await control(child, '/readiness')).status === 503);
    await until(() => !registered().includes(`127.0.0.1:${before}`));
    expect(await status(child)).toMatchObject({ state: 'starting', waitsFor: 'an HTTP server of the application' });
    const port = await listens(child, 'app');
    await isAt(child, port);
    const { started } = (await status(child)).requests;
    await until(async () => (await status(child)).requests.started > started + 10);
    expect((await leaves(child)).verdict).toMatchObject({ result: 'success', whole: true, acked: 1 });
    const { failed, reasons, sent } = await caller.stop();
    // The application itself cut these requests: they were on their way over open connections when it closed its server.
    expect({ failed: failed < 5, sent: sent > 50, reasons: Object.keys(reasons) }).toMatchObject({
      failed: true,
      sent: true,
    });
    expect(await onlines(child)).toEqual(['start success', 'server success']);
    await world().leave(other);
  });

  test('while it still answers over open connections: the plugin registers the same server on a new port', async () => {
    const child = await starts();
    const before = await listens(child, 'app');
    await isAt(child, before);
    const slow = fetch(`http://127.0.0.1:${before}/?ms=3000`, { method: 'POST', body: 'slow' });
    await until(async () => (await status(child)).requests.inflight === 1);
    says(child, 'close app');
    const port = await listens(child, 'app');
    await isAt(child, port);
    expect(registered()).toEqual([`127.0.0.1:${port}`]);
    expect(child.stdout).not.toContain('app closed');
    expect(await (await slow).text()).toBe('slow');
  });

  test('while another server listens: the plugin registers the other server', async () => {
    const child = await starts();
    const [first, second] = [await listens(child, 'app1'), await listens(child, 'app2')];
    await until(async () => (await status(child)).ready);
    const address = String((await status(child)).address);
    const [closed, left] = address.endsWith(`:${first}`) ? ['app1', second] : ['app2', first];
    says(child, `close ${closed}`);
    await isAt(child, left);
    expect(registered()).toEqual([`127.0.0.1:${left}`]);
  });

  test('during an offline: after an undo the instance waits for a server and registers with that one', async () => {
    const child = await starts();
    const before = await listens(child, 'app');
    await isAt(child, before);
    const held = await holdRequest({ port: before });
    await control(child, '/offline', 'POST');
    says(child, 'close app');
    await entered(child, 'draining');
    expect((await control(child, '/online', 'POST')).status).toBe(200);
    expect(await held.letGo()).toBe(200);
    expect((await control(child, '/readiness')).status).toBe(503);
    await isAt(child, await listens(child, 'app'));
  });
});

describe('the registered address answers', () => {
  test('when the wanted port was taken', async () => {
    const taken = await world().service('other');
    const child = await starts();
    says(child, `listen app1 127.0.0.1 ${taken.port}`);
    await child.sees(/app1 EADDRINUSE/);
    await isAt(child, await listens(child, 'app'));
  });

  test.each(['::', '0.0.0.0', 'v6only', '::1', 'localhost'])('of a server bound to %s', async (host) => {
    const child = await starts();
    await isAt(child, await listens(child, 'app', host));
    // It comes from the address that it calls, and has to be told there.
    const caller = await world().caller('http://provider/echo', 50, { env: { LOSSLESS_CONTROL_HOST: '::' } });
    const other = await world().service('provider');
    expect((await leaves(child)).verdict).toMatchObject({ result: 'success', whole: true, acked: 1 });
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    await world().leave(other);
  });

  test('a configured address that this machine cannot reach is logged, and registered all the same', async () => {
    const port = await freePort();
    const child = await starts({ LOSSLESS_ADVERTISE: `127.0.0.1:${port}` });
    await listens(child, 'app');
    await child.sees(/cannot connect to 127\.0\.0\.1 port \d+, which LOSSLESS_ADVERTISE names \(ECONNREFUSED\)/);
    await until(() => registered().includes(`127.0.0.1:${port}`));
  });
});

describe('a server on a Unix socket', () => {
  const path = () => join(world().directory, 'app.sock');

  /** A request that takes `ms`. */
  function ask(at: { socketPath: string } | { port: number }, ms: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request({ ...at, path: `/?ms=${ms}`, method: 'POST', agent: false });
      call.on('response', (response) => text(response).then(resolve, reject));
      call.on('error', reject);
      call.end('asked');
    });
  }

  test('alone: ready without an entry; a request in flight is answered, and the trace says that nothing was registered', async () => {
    const child = await starts({ LOSSLESS_HOLD_MS: '300', LOSSLESS_PROBE: '/health' });
    await listens(child, 'app', path());
    await until(async () => (await control(child, '/readiness')).status === 200);
    expect(await status(child)).toMatchObject({ state: 'serving', registry: { listed: false } });
    const asked = ask({ socketPath: path() }, 700);
    await until(async () => (await status(child)).requests.inflight === 1);
    const trace = await leaves(child);
    expect(await asked).toBe('asked');
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    expect(spansOf(trace, 'offline')[0]?.tags).toMatchObject({ 'lossless.deregister.result': 'none' });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({
      'lossless.stop.listeners': 1,
      'lossless.stop.sockets.forced': 0,
    });
    expect(await onlines(child)).toEqual(['start success']);
  });

  test('with a port beside it: the plugin registers the port, in either order of listening, and both servers drain', async () => {
    const child = await starts({ LOSSLESS_HOLD_MS: '300' });
    await listens(child, 'app', path());
    await until(async () => (await status(child)).ready);
    const port = await listens(child, 'app2');
    await isAt(child, port);
    const asked = [ask({ socketPath: path() }, 700), ask({ port }, 700)];
    await until(async () => (await status(child)).requests.inflight === 2);
    const trace = await leaves(child);
    expect(await Promise.all(asked)).toEqual(['asked', 'asked']);
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({
      'lossless.stop.listeners': 2,
      'lossless.stop.sockets.forced': 0,
    });
  });
});

describe('a refused call is answered', () => {
  test('offline() before anything listens: nothing to leave, and the later shutdown loses nothing', async () => {
    const child = await starts();
    says(child, 'offline');
    const [, answer] = await child.sees(/^offline (.*)$/m);
    expect(JSON.parse(answer ?? '')).toEqual({
      result: 'refused',
      trigger: 'offline',
      state: 'created',
      message: expect.stringContaining('no HTTP server of the application listens, so there is nothing to leave'),
    });
    says(child, 'online');
    await child.sees(/^online false$/m);
    const port = await listens(child, 'app');
    await isAt(child, port);
    expect(await status(child)).not.toHaveProperty('offline');
    const other = await world().service('provider');
    const caller = await world().caller('http://provider/echo', 100);
    const { verdict } = await leaves(child);
    expect(verdict).toMatchObject({ result: 'success', whole: true, acked: 1, problems: [] });
    expect(registered()).toEqual([`127.0.0.1:${other.port}`]);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });

  test('offline() during a start is an offline: the instance never registers', async () => {
    const child = await starts({ LOSSLESS_REGISTER_DELAY_MS: '60000' });
    await listens(child, 'app');
    says(child, 'offline');
    const [, answer] = await child.sees(/^offline (.*)$/m);
    expect(JSON.parse(answer ?? '')).toMatchObject({ result: 'never_ready', planned: 0 });
    expect(registered()).toEqual([]);
    expect((await world().trace({ child, port: 0 })).verdict).toMatchObject({ result: 'never_ready', whole: true });
  });

  test('/online of a serving instance: 409 with the state and its meaning', async () => {
    const child = await starts();
    await isAt(child, await listens(child, 'app'));
    expect(await control(child, '/online', 'POST')).toEqual({
      status: 409,
      body: {
        result: 'refused',
        trigger: 'online',
        state: 'serving',
        message: 'online is refused in state serving, it is possible in notifying, draining: the instance is online',
      },
    });
  });

  test.each([
    ['starting', 'never_ready'],
    ['registering', 'never_ready'],
    ['serving', 'success'],
  ])(
    'a subscriber of records that calls offline() at the record of %s begins one whole offline',
    async (state, result) => {
      const child = await starts();
      says(child, `leave ${state}`);
      await listens(child, 'app');
      await child.sees(/offline ended/);
      expect(child.stdout.match(/leaves /g)).toHaveLength(1);
      expect((await world().trace({ child, port: 0 })).verdict).toMatchObject({ result, whole: true });
      expect(registered()).toEqual([]);
    },
  );
});
