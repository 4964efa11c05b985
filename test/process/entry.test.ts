import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

/** Where a balancer asks, in these tests. */
const HEALTH = { LOSSLESS_HEALTH_PATHS: '/health,/ready' };

/** Connections that say nothing, of one peer. */
const IDLE = 10_000;

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A request on its own connection, as balancers send theirs. */
function ask({ port }: Service, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, headers: { connection: 'keep-alive', ...headers } });
    asked.once('error', reject).once('response', (response) => {
      response.resume().once('end', () => resolve({ status: response.statusCode, headers: response.headers }));
    });
    asked.end();
  });
}

describe('while an instance leaves', () => {
  test.each(['http', 'express', 'fastify'])(
    '%s fails its health path, whatever the application answers, and serves calls',
    async (kind) => {
      const service = await world().service('provider', { kind, env: HEALTH });
      expect((await ask(service, '/health?full=1')).status).toBe(200);
      const held = await holdRequest(service);
      service.child.signal('SIGTERM');
      await entered(service.child, 'draining');
      expect(await ask(service, '/health?full=1')).toMatchObject({
        status: 503,
        headers: { connection: 'keep-alive' },
      });
      expect((await ask(service, '/ready')).status).toBe(503);
      expect(await ask(service, '/other')).toMatchObject({ status: 200, headers: { connection: 'close' } });
      expect(await held.letGo()).toBe(200);
      await service.child.ends();
      const trace = await world().trace(service);
      expect(trace.verdict.result).toBe('success');
      expect(spansOf(trace, 'entry')).toHaveLength(1);
    },
  );

  test('an offline does not wait for a health check that never stops', async () => {
    const service = await world().service('provider', { env: HEALTH });
    let asked = 0;
    const timer = setInterval(
      () =>
        void ask(service, '/health').then(
          () => asked++,
          () => {},
        ),
      20,
    );
    await until(() => asked > 10);
    await world().leave(service);
    clearInterval(timer);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.hold.reason']).toBe('none');
    expect(spansOf(trace, 'entry')).toHaveLength(0);
  });

  test('the log names a path once that is called as a health check and stays good', async () => {
    const service = await world().service('provider');
    const held = await holdRequest(service);
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    for (const path of ['/healthz', '/healthz', '/other']) expect((await ask(service, path)).status).toBe(200);
    expect(await held.letGo()).toBe(200);
    await service.child.ends();
    const warnings = service.child.stderr.split('\n').filter((line) => line.includes('LOSSLESS_HEALTH_PATH'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('/healthz was answered with 2xx while this instance leaves');
  });

  test('the application hears of the offline before the plugin cuts anything', async () => {
    const listener = `data:text/javascript,${encodeURIComponent(`
      import { subscribe } from 'node:diagnostics_channel';
      subscribe('lossless:draining', ({ traceId, leftMs }) => console.log('leaving', traceId, leftMs > 1_000));`)}`;
    const env = { NODE_OPTIONS: `${world().env('x')['NODE_OPTIONS']} --import=${listener}` };
    const service = await world().service('provider', { env });
    const held = await holdRequest(service);
    service.child.signal('SIGTERM');
    const [, traceId] = await service.child.sees(/leaving ([0-9a-f]{32}) true/);
    expect(await held.letGo()).toBe(200);
    await service.child.ends();
    expect(traceId).toBe(world().traceId(service));
  });
});

test('the status file exists from ready until the offline begins; the next start removes the file of a killed process', async () => {
  const file = join(world().directory, 'ready');
  const env = { LOSSLESS_STATUS_FILE: file };
  const killed = await world().service('provider', { env });
  await until(() => existsSync(file));
  killed.child.signal('SIGKILL');
  await killed.child.ends();
  expect(existsSync(file)).toBe(true);
  const service = await world().service('provider', { env: { ...env, LOSSLESS_REGISTER_DELAY_MS: '500' } });
  await until(() => existsSync(file));
  const held = await holdRequest(service);
  service.child.signal('SIGTERM');
  await entered(service.child, 'notifying');
  expect(existsSync(file)).toBe(false);
  await held.letGo();
  await service.child.ends();
});

test.each([
  ['in a directory that is missing', (folder: string) => join(folder, 'none', 'ready')],
  ['that is a link', (folder: string) => link(join(folder, 'elsewhere'), join(folder, 'ready'))],
  ['that is a directory', (folder: string) => folder],
])('a status file %s: the plugin logs an error and counts it, and the service goes on', async (_, place) => {
  const folder = join(world().directory, 'status');
  mkdirSync(folder);
  const path = place(folder);
  const service = await world().service('provider', { env: { LOSSLESS_STATUS_FILE: path } });
  await service.child.sees(/LOSSLESS_STATUS_FILE: .* cannot be written/);
  expect((await ask(service, '/echo')).status).toBe(200);
  const metrics = await (await fetch(`http://127.0.0.1:${await world().controlPort(service)}/metrics`)).text();
  expect(metrics).toContain('lossless_status_file_failing{service_name="provider"} 1');
  await world().leave(service);
  expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
  const lines = service.child.stderr.split('\n').filter((line) => line.includes('"LOSSLESS_STATUS_FILE"'));
  // One for each attempt: at the start, when ready, when leaving.
  expect(lines.length).toBeLessThanOrEqual(3);
  for (const line of lines) expect(line).toContain(path);
});

function link(to: string, path: string): string {
  symlinkSync(to, path);
  return path;
}

test('a peer with very many idle connections delays an offline to its deadline at most', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_GRACE_PERIOD_MS: '6000' } });
  const before = residentBytes(service);
  const sockets = await Promise.all(Array.from({ length: IDLE }, () => idleAt(service.port)));
  expect((residentBytes(service) - before) / IDLE).toBeLessThan(40_000);
  const begun = performance.now();
  service.child.signal('SIGTERM');
  await service.child.ends();
  expect(performance.now() - begun).toBeLessThan(7_000);
  for (const socket of sockets) socket.destroy();
  expect(service.child.stderr.split('\n').length).toBeLessThan(60);
}, 60_000);

/** Memory of the process, in bytes; 0 where `/proc` does not tell it. */
function residentBytes({ child }: Service): number {
  if (!existsSync('/proc/self/status')) return 0;
  const [, kB = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
  return Number(kB) * 1_024;
}

/** A connection that has had one answer and says nothing more. */
async function idleAt(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write('GET /echo HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'data');
  return socket;
}

test('LOSSLESS_KEEP_ALIVE_MS sets how long idle connections are kept; a proxy before a shorter time is one warning', async () => {
  const proxied = { 'x-forwarded-for': '192.0.2.1' };
  const short = await world().service('short');
  for (let n = 0; n < 2; n++) await ask(short, '/echo', proxied);
  await short.child.sees(/LOSSLESS_KEEP_ALIVE/);
  expect(short.child.stderr.match(/"LOSSLESS_KEEP_ALIVE"/g)).toHaveLength(1);
  const long = await world().service('long', { env: { LOSSLESS_KEEP_ALIVE_MS: '65000' } });
  expect((await ask(long, '/echo', proxied)).headers).toMatchObject({ 'keep-alive': 'timeout=65' });
  expect(long.child.stderr).not.toContain('LOSSLESS_KEEP_ALIVE"');
});

test('the plugin counts idle connections that the server closes, not those that clients close', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_KEEP_ALIVE_MS: '1000' } });
  const [left, kept] = [await idleAt(service.port), await idleAt(service.port)];
  left.end();
  await once(kept, 'close');
  const metrics = await (await fetch(`http://127.0.0.1:${await world().controlPort(service)}/metrics`)).text();
  expect(metrics).toContain('lossless_idle_closed_total{service_name="provider"} 1');
});
