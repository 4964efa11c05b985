import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { startCollector } from '../../collector/server.ts';
import { encodeAck, encodeIdle } from '../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { until } from '../support/child.ts';
import { CLI } from '../support/cli.ts';
import { type Service, spansOf, useWorld } from '../support/world.ts';

const OTEL = new URL(
  '../support/otel/node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js',
  import.meta.url,
).href;

const world = useWorld();

const servers = new Set<Server>();
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers.clear();
});

/** A collector that takes connections and answers with `status`, or never. */
async function badCollector(status?: number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    if (status !== undefined) response.writeHead(status).end();
  });
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function spooled(): readonly string[] {
  return readdirSync(world().spoolDir).filter((file) => !file.startsWith('.'));
}

async function lossless(...args: string[]) {
  return promisify(execFile)(process.execPath, [CLI, ...args]).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  );
}

function linesOf({
  child,
}: Service): readonly { readonly msg: string; readonly time: number; readonly code?: string }[] {
  return child.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** When a line was logged, in milliseconds. */
function timeOf(service: Service, message: string): number {
  const line = linesOf(service).find(({ msg }) => msg === message);
  if (line === undefined) throw new Error(`no line ${message} in ${service.child.stderr}`);
  return line.time;
}

/** Milliseconds from SIGTERM to the end. */
async function timeToLeave(service: Service): Promise<number> {
  const begun = performance.now();
  await world().leave(service);
  return performance.now() - begun;
}

describe('a collector that is down for the whole shutdown', () => {
  test.each([
    ['refuses', async () => 'http://127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:1'],
    ['never answers', () => badCollector(), 'no answer in time'],
    ['answers 503', () => badCollector(503), 'the collector answered 503'],
  ])('%s: the exit is at most 2 s later, it is said once, and nothing is lost', async (_, start, why) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: await start() };
    const service = await world().service('provider', { env });
    await world().leave(service);
    expect(timeOf(service, 'offline ended: success') - timeOf(service, 'draining -> stopping (drained)')).toBeLessThan(
      2_000 + 750,
    ); // 750 ms for a busy machine
    expect(linesOf(service).filter(({ code }) => code === 'LOSSLESS_EXPORT_FAILED')).toEqual([
      expect.objectContaining({ msg: `spans could not be sent and are spooled: ${why}` }),
    ]);
    expect(spooled().length).toBeGreaterThan(0);
    expect(await lossless('replay', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl)).toMatchObject({
      code: 0,
    });
    expect((await world().trace(service)).verdict).toMatchObject({ whole: true, result: 'success' });
    expect(spooled()).toEqual([]);
  });

  test('the next start sends what the last one left', async () => {
    const down = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' } });
    await world().leave(down);
    expect(spooled().length).toBeGreaterThan(0);
    await world().service('provider');
    expect((await world().trace(down)).verdict).toMatchObject({ whole: true });
    await until(() => spooled().length === 0);
  });
});

test('a collector that has the name of a service is not called as one', async () => {
  const namesake = await world().service('otel-collector', { env: { OTEL_SDK_DISABLED: 'true' } });
  const service = await world().service('provider', {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel-collector:1', LOSSLESS_WARMUP_MS: '100' },
  });
  await world().leave(service);
  expect(await world().served(namesake)).toBe(0);
  expect(linesOf(service).at(-1)).toMatchObject({ msg: 'offline ended: success', exported: 0 });
});

test('a collector that comes back during the shutdown gets the whole trace', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const service = await world().service('provider', {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, LOSSLESS_HOLD_MS: '3000' },
  });
  await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'without the plugin' });
  service.child.signal('SIGTERM');
  await service.child.sees(/-> draining/);
  const collector = await startCollector({
    host: '127.0.0.1',
    ports: [port],
    database: ':memory:',
    maxAgeMs: 3_600_000,
    maxBytes: 2 ** 26,
  });
  await service.child.ends();
  const answer = await fetch(`${collector.queryUrl}/api/traces/${world().traceId(service)}`);
  const { data } = (await answer.json()) as { data: { spans: { operationName: string }[] }[] };
  await collector.close();
  expect(data[0]?.spans.map((span) => span.operationName).sort()).toEqual(
    ['deregister', 'drain', 'notify', 'offline', 'offline.started', 'stop'].map((work) => `lossless.${work}`),
  );
});

describe('the spool', () => {
  test('corrupt files are set aside with a message, the others are sent', async () => {
    const service = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' } });
    await world().leave(service);
    writeFileSync(join(world().spoolDir, '0-garbage.json'), '{"resourceSpans":');
    writeFileSync(join(world().spoolDir, '0-other.json'), '[]');
    const { stderr } = await promisify(execFile)(process.execPath, [
      CLI,
      'replay',
      '--dir',
      world().spoolDir,
      '--otlp',
      world().collector.otlpUrl,
    ]);
    expect(stderr.match(/set aside/g)).toHaveLength(2);
    expect(spooled().toSorted()).toEqual(['0-garbage.json.corrupt', '0-other.json.corrupt']);
    expect((await world().trace(service)).verdict.whole).toBe(true);
  });

  test.each([
    ['is a file', () => writeFileSync(world().spoolDir, 'a file')],
    ['is a link that leads nowhere', () => symlinkSync('/nowhere/spool', world().spoolDir)],
    ['is a link to a device', () => symlinkSync('/dev/null', world().spoolDir)],
    ['is where nothing can be made', () => symlinkSync('/proc/self', world().spoolDir)],
  ])('a spool that %s: it is said what is lost, and the process ends as usual', async (_, make) => {
    make();
    const service = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' } });
    expect(await timeToLeave(service)).toBeLessThan(5_000);
    expect(await service.child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    const lines = linesOf(service);
    expect(lines.filter(({ code }) => code === 'LOSSLESS_SPOOL_UNWRITABLE')).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ msg: 'offline ended: success', exported: 0, spooled: 0, lost: 12 });
  });

  test('a consumer that calls process.exit leaves its span in the spool', async () => {
    const leaving = await world().service('provider');
    await world().service('provider');
    const caller = await world().caller('http://provider/echo', 50, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: await badCollector() },
    });
    await world().leave(leaving);
    await until(
      async () =>
        (await world()
          .jaeger.trace(world().traceId(leaving))
          .catch(() => undefined)) !== undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 200)); // its SDK is loaded by now
    await caller.stop();
    await caller.child.ends();
    await lossless('replay', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl);
    expect((await world().trace(leaving)).verdict).toMatchObject({ whole: true, refreshes: 1 });
  });
});

test('R26: a killed process leaves its start marker, and inspect says what is missing', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '20000' } });
  await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'without the plugin' });
  service.child.signal('SIGTERM');
  await service.child.sees(/-> draining/);
  const id = world().traceId(service);
  await until(
    async () =>
      (await world()
        .jaeger.trace(id)
        .catch(() => undefined)) !== undefined,
  );
  service.child.signal('SIGKILL');
  await service.child.ends();
  const { code, stdout } = await lossless('inspect', id, '--url', world().collector.queryUrl);
  expect(code).toBe(1);
  expect(stdout).toContain('the root span never arrived');
  expect(stdout).toContain('offline.started');
});

test('OTEL_SDK_DISABLED: no spans, everything else as usual', async () => {
  const service = await world().service('provider', { env: { OTEL_SDK_DISABLED: 'true' } });
  expect(await world().leave(service)).toEqual({ code: null, signal: 'SIGTERM' });
  await expect(world().jaeger.trace(world().traceId(service))).rejects.toThrow('LOSSLESS_TRACE_NOT_FOUND');
});

describe("R25: the application's own SDK, sampling nothing and shut down by the same signal", () => {
  const own = (register: string) => ({
    OTEL_TRACES_SAMPLER: 'always_off',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    NODE_OPTIONS: register,
  });

  test.each(['before', 'after'])(
    'preloaded %s the plugin, on both sides: the trace is whole and joined',
    async (order) => {
      const plugin = world().env('x')['NODE_OPTIONS'] ?? '';
      const options = order === 'before' ? `--import=${OTEL} ${plugin}` : `${plugin} --import=${OTEL}`;
      const leaving = await world().service('provider', { env: own(options) });
      await world().service('provider', { env: own(options) });
      const caller = await world().caller('http://provider/echo', 50, { env: own(options) });
      await world().leave(leaving);
      const trace = await world().trace(leaving);
      expect(trace.verdict).toMatchObject({
        whole: true,
        result: 'success',
        planned: 1,
        acked: 1,
        refreshes: 1,
        orphans: 0,
      });
      const [refresh] = spansOf(trace, 'consumer.refresh');
      const [goaway] = spansOf(trace, 'goaway');
      expect(refresh?.parentSpanId).toBe(goaway?.spanId);
      expect(trace.spans.every((span) => span.name.startsWith('lossless.'))).toBe(true);
      expect(await caller.stop()).toMatchObject({ failed: 0 });
    },
  );

  test.each(['before', 'after'])(
    'preloaded %s the plugin: a GoAway carries one traceparent, and it is ours',
    async (order) => {
      const plugin = world().env('x')['NODE_OPTIONS'] ?? '';
      const options = order === 'before' ? `--import=${OTEL} ${plugin}` : `${plugin} --import=${OTEL}`;
      for (const sampler of ['always_off', 'always_on']) {
        const service = await world().service('provider', { env: { ...own(options), OTEL_TRACES_SAMPLER: sampler } });
        const received: string[] = [];
        const control = createServer((call, response) => {
          if (call.method === 'GET') return void response.end();
          received.push(...(call.headersDistinct['traceparent'] ?? ['none']));
          response.end(encodeAck({ isolated: true, outstanding: 0 }) + encodeIdle({ idle: true, addresses: ['b:1'] }));
        }).listen(0, '127.0.0.1');
        servers.add(control);
        await once(control, 'listening');
        const { port } = control.address() as AddressInfo;
        const header = encodeConsumer({ service: 'consumer', instanceId: 'one', generation: 1, port });
        const headers = { [CONSUMER_HEADER]: header };
        await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'x', headers });
        await world().leave(service);
        const trace = await world().jaeger.trace(world().traceId(service));
        const [goaway] = spansOf(trace, 'goaway');
        expect(received).toEqual([`00-${world().traceId(service)}-${goaway?.spanId}-01`]);
      }
    },
  );
});
