import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { waterfall } from '../../src/cli/waterfall.ts';
import { textsIn } from '../../src/json.ts';
import type { Instance } from '../../src/registry/registry.ts';
import type { Status } from '../../src/status.ts';
import { startGrpcJs } from '../support/grpc/clients.ts';
import { controlPortOf } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { operator } from '../support/process/operator.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { pause, until } from '../support/until.ts';

const BOTH = new URL('../fixtures/apps/both.ts', import.meta.url);

const world = useWorld();

/** A process of the service `both`, whose servers of these names begin to listen in this order. */
async function starts(names: readonly string[], env: Record<string, string> = {}) {
  const child = world().children.node(BOTH, { env: world().env('both', { LOSSLESS_WARMUP_MS: '0', ...env }) });
  await child.sees(/^up$/m);
  const ports: Record<string, number> = {};
  for (const name of names) ports[name] = await listens(child, name);
  return { child, ports };
}

/** Lets a server listen. @returns its port */
async function listens(child: Child, name: string, host = '127.0.0.1'): Promise<number> {
  child.say(`listen ${name} ${host}`);
  const listening = new RegExp(`^${name} listening (\\d+)$`, 'm');
  await child.sees(listening);
  return Number(listening.exec(child.stdout)?.[1]);
}

/** Its entry in the registry. */
function entries(): readonly Instance[] {
  const directory = join(world().directory, 'registry', 'both');
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith('.')) : [];
  return names.map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')).instance);
}

/** Waits until the entries say so, each as `http:8080 grpc:9090`, the main endpoint first. */
async function areRegistered(...expected: readonly string[]): Promise<void> {
  const shown = ({ endpoints = [] }: Instance) =>
    endpoints.map(({ protocol, port }) => `${protocol}:${port}`).join(' ');
  await until(() => String(entries().map(shown).sort()) === String([...expected].sort()));
}

async function statusOf(child: Child): Promise<Status> {
  return (await operator(await controlPortOf(child), '/status')).body as unknown as Status;
}

/** Waits until the start says that it waits for that. */
async function waitsFor(child: Child, what: RegExp): Promise<void> {
  await until(async () => what.test(String((await statusOf(child)).waitsFor)));
}

describe('servers of HTTP and of gRPC in one process', () => {
  test.each([[['http', 'grpc']], [['grpc', 'http']]])(
    'that listen in the order %j are both registered, and HTTP requests go to the HTTP server',
    async (order) => {
      const one = await starts(order);
      const [first, second] = [one, await starts(order)].map(
        ({ ports }) => `http:${ports['http']} grpc:${ports['grpc']}`,
      );
      await areRegistered(first as string, second as string);
      expect(entries().map(({ port }) => port)).toContain(one.ports['http']);
      const caller = await world().caller('http://both/x', 50);
      one.child.signal('SIGTERM');
      await one.child.ends();
      const { verdict } = await world().trace({ child: one.child, port: 0 });
      expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
      expect(verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    },
  );

  test('are registered as they begin to listen and are closed, as one instance of one generation', async () => {
    const { child, ports } = await starts(['http']);
    await areRegistered(`http:${ports['http']}`);
    const [before] = entries();
    const grpc = await listens(child, 'grpc');
    await areRegistered(`http:${ports['http']} grpc:${grpc}`);
    const [after] = entries();
    expect(after).toEqual({ ...before, endpoints: after?.endpoints });
    child.say('close grpc');
    await areRegistered(`http:${ports['http']}`);
    await listens(child, 'h2');
    await until(() => entries()[0]?.endpoints?.[1]?.protocol === 'h2');
  });

  test('become an HTTP instance when the HTTP server listens last, long after the gRPC server', async () => {
    const { child, ports } = await starts(['bare']);
    await areRegistered(`grpc:${ports['bare']}`);
    const http = await listens(child, 'http');
    await areRegistered(`http:${http} grpc:${ports['bare']}`);
  });

  test('are reached where LOSSLESS_ADVERTISE says, behind a mapping of ports', async () => {
    await starts(['grpc', 'http'], { LOSSLESS_ADVERTISE: 'shop.example:8080,grpc=shop.example:9090' });
    await areRegistered('http:8080 grpc:9090');
    expect(entries()[0]).toMatchObject({ host: 'shop.example', port: 8_080 });
  });
});

test('clients of either port of an instance with two servers of gRPC lose no call when it leaves', async () => {
  const names = ['grpc', 'bare'];
  const [leaving, staying] = [await starts(names, { LOSSLESS_HOLD_MS: '5000' }), await starts(names)];
  await until(() => entries().length === 2);
  // One endpoint of each protocol is registered.
  expect(entries().map(({ endpoints = [] }) => endpoints.map(({ protocol }) => protocol))).toEqual([
    ['grpc'],
    ['grpc'],
  ]);
  const env = { FIXTURE_GRPC: JSON.stringify({ channel: { 'grpc.enable_retries': 0 } }) };
  const caller = await world().caller('lossless:///both', 50, { client: 'grpc', env });
  const loads = names.map((name) =>
    startGrpcJs({
      method: 'say',
      ms: 0,
      perSecond: 50,
      ports: [leaving, staying].map(({ ports }) => ports[name] ?? 0),
    }),
  );
  await until(async () => (await world().served({ child: leaving.child, port: 0 })) > 100);
  leaving.child.signal('SIGTERM');
  await leaving.child.ends();
  const { verdict } = await world().trace({ child: leaving.child, port: 0 });
  for (const load of loads) expect((await load.stop()).failed).toEqual([]);
  expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  expect(verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1, problems: [] });
});

test('a consumer that calls an instance by HTTP and by gRPC gets one GoAway, and stops calling it by both', async () => {
  const [leaving, staying] = [await starts(['http', 'grpc']), await starts(['grpc', 'http'])];
  await until(() => entries().length === 2);
  const env = { FIXTURE_GRPC: JSON.stringify({ channel: { 'grpc.enable_retries': 0 } }) };
  const caller = await world().caller('both', 100, { client: 'http-and-grpc', env });
  leaving.child.signal('SIGTERM');
  await leaving.child.ends();
  const { verdict, ...trace } = await world().trace({ child: leaving.child, port: 0 });
  const served = await world().served({ child: staying.child, port: 0 });
  await until(async () => (await world().served({ child: staying.child, port: 0 })) > served + 50);
  expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  expect(verdict).toMatchObject({ result: 'success', whole: true, problems: [], planned: 1, acked: 1 });
  const [goaway] = spansOf(trace, 'goaway');
  expect(textsIn(goaway?.tags['lossless.consumer.protocols']).toSorted()).toEqual(['grpc', 'http/1.1']);
  const shown = waterfall(trace, { width: 120, color: false }).join('\n');
  expect(shown).toMatch(/goaway .* caller by (http\/1\.1, grpc|grpc, http\/1\.1) acked$/m);
});

describe('the last gRPC instance of a service, beside an instance that speaks only HTTP', () => {
  const env = { LOSSLESS_GRACE_PERIOD_MS: '6000', LOSSLESS_HOLD_MS: '500' };

  /** @param servers of the instance that is to leave */
  async function called(servers: readonly string[], url: string, client: string, more = {}) {
    const [leaving] = [await starts(servers, { ...env, ...more }), await starts(['http'])];
    await until(() => entries().length === 2);
    const caller = await world().caller(url, 50, { client });
    await until(async () => (await statusOf(leaving.child)).consumers.recent === 1);
    return { leaving: leaving.child, caller };
  }

  test('serves its callers by gRPC to the deadline, and says that they have no other instance', async () => {
    const { leaving, caller } = await called(['bare'], 'lossless:///both', 'grpc');
    leaving.signal('SIGTERM');
    await leaving.ends();
    const { verdict } = await world().trace({ child: leaving, port: 0 });
    expect(verdict).toMatchObject({ result: 'last_instance', planned: 1, acked: 1, stranded: 1, afterAck: 0 });
    expect((await caller.stop()).sent).toBeGreaterThan(150);
  });

  test('leaves as soon as another gRPC instance is there, and its callers lose nothing', async () => {
    // Long enough for a process to start on a busy machine.
    const long = { LOSSLESS_GRACE_PERIOD_MS: '30000' };
    const { leaving, caller } = await called(['bare'], 'lossless:///both', 'grpc', long);
    leaving.signal('SIGTERM');
    await until(async () => (await statusOf(leaving)).state === 'draining');
    await starts(['bare']);
    await leaving.ends();
    const { verdict } = await world().trace({ child: leaving, port: 0 });
    expect(await caller.stop()).toEqual({ sent: expect.any(Number), failed: 0, reasons: {} });
    expect(verdict).toMatchObject({ result: 'success', whole: true, stranded: 0, problems: [] });
  });

  test('delays no caller by HTTP', async () => {
    const { leaving, caller } = await called(['bare', 'http'], 'http://both/x', 'fetch');
    leaving.signal('SIGTERM');
    await leaving.ends();
    const { verdict } = await world().trace({ child: leaving, port: 0 });
    expect(await caller.stop()).toEqual({ sent: expect.any(Number), failed: 0, reasons: {} });
    expect(verdict).toMatchObject({ result: 'success', whole: true, stranded: 0, problems: [] });
    expect(verdict.durationMs).toBeLessThan(3_000);
  });
});

test('an HTTP request to a service that speaks only gRPC fails with its code, an HTTP/2 request does not, and both work once an HTTP server is there', async () => {
  const { child, ports } = await starts(['grpc']);
  await areRegistered(`grpc:${ports['grpc']}`);
  const caller = world().children.node(BOTH, { env: world().env('caller') });
  await caller.sees(/^up$/m);
  caller.say('call http://both/x');
  await caller.sees(/^called LOSSLESS_GRPC_ALONE LOSSLESS_GRPC_ALONE LOSSLESS_GRPC_ALONE \d+$/m);
  await listens(child, 'http');
  await until(async () => {
    caller.say('call http://both/x');
    await pause(50);
    return /^called 200 200 200 \d+$/m.test(caller.stdout);
  });
});

describe('the probe of a server of gRPC', () => {
  test.each([
    ['grpc:', 'all'],
    ['grpc:echo.Echo', 'echo.Echo'],
  ])('%s waits until the health service says SERVING of %s', async (probe, service) => {
    const { child, ports } = await starts(['http', 'grpc'], { LOSSLESS_PROBE: probe });
    await waitsFor(child, /SERVING from grpc:.*; the last answer was .*NOT_SERVING/);
    expect(entries()).toEqual([]);
    child.say(`health ${service} SERVING`);
    await areRegistered(`http:${ports['http']} grpc:${ports['grpc']}`);
  });

  test.each([
    ['grpc:', 'bare', /has no grpc\.health\.v1\.Health/],
    ['grpc:unknown.Service', 'grpc', /does not know this service/],
    ['grpc:', 'h2', /not as gRPC does/],
    ['grpc:', 'http', /speaks HTTP\/1\.1/],
    ['/health', 'grpc', /speaks only HTTP\/2 .*LOSSLESS_PROBE=grpc:/],
  ])('%s fails at the server %s, and says why', async (probe, server, why) => {
    const { child } = await starts([server], { LOSSLESS_PROBE: probe });
    await waitsFor(child, why);
    await child.sees(/LOSSLESS_PROBE_FAILED/);
    expect(entries()).toEqual([]);
  });
});
