import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decodeOtlp } from '../../collector/server/otlp.ts';
import { encodeAck, encodeIdle } from '../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { entered } from '../support/process/announced.ts';
import { lossless } from '../support/process/cli.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { freePort } from '../support/servers/built.ts';
import { until } from '../support/until.ts';
import { useServer } from '../support/use-server.ts';

const OTEL = new URL(
  '../support/otel/node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js',
  import.meta.url,
).href;

const world = useWorld();

/** A collector that takes connections and answers with `status`, or never. */
async function badCollector(status?: number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    if (status !== undefined) response.writeHead(status).end();
  });
  const port = await useServer(server);
  return `http://127.0.0.1:${port}`;
}

function spooled(): readonly string[] {
  return readdirSync(world().spoolDir).filter((file) => !file.startsWith('.'));
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
    ['it refuses', async () => 'http://127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:1'],
    ['it never answers', () => badCollector(), 'no answer in time'],
    ['it answers 503', () => badCollector(503), 'the collector answered 503'],
  ])(
    '%s: the exit comes at most 2 s later, the log has one line for each signal, and no span is lost',
    async (_, start, why) => {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: await start() };
      const service = await world().service('provider', { env });
      await world().leave(service);
      const tookMs = timeOf(service, 'offline ended: success') - timeOf(service, 'draining -> stopping (drained)');
      expect(tookMs).toBeLessThan((why.includes('ECONNREFUSED') ? 0 : 2_000) + 750); // 750 ms for a busy machine
      const said = linesOf(service).filter(({ code }) => code === 'LOSSLESS_EXPORT_FAILED');
      expect(said.map(({ msg }) => msg).sort()).toEqual(
        ['metrics', 'spans'].map((items) => `${items} could not be sent and are spooled: ${why}`),
      );
      expect(spooled().length).toBeGreaterThan(0);
      expect(
        await lossless(['replay', '--all', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl]),
      ).toMatchObject({
        code: 0,
      });
      expect((await world().trace(service)).verdict).toMatchObject({ whole: true, result: 'success' });
      expect(spooled()).toEqual([]);
    },
  );

  test('the next start sends the spool of the last one to its own collector and to no other', async () => {
    const port = await freePort();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` };
    const down = await world().service('provider', { env });
    await world().leave(down);
    const left = spooled();
    expect(left.length).toBeGreaterThan(0);
    const other = await world().service('provider');
    expect(await world().leave(other)).toMatchObject({ signal: 'SIGTERM' });
    expect((await world().trace(other)).verdict).toMatchObject({ whole: true });
    expect(spooled()).toEqual(left);
    const said = await lossless(['replay', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl]);
    expect(said).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        new RegExp(`${left.length - 1} waiting for another collector .127.0.0.1_${port}-[^]*1 waiting for another`),
      ),
    });
    const collector = await embeddedCollector({ ports: [port] });
    await world().service('provider', { env });
    await until(() => spooled().length === 0);
    const answer = await fetch(`${collector.queryUrl}/api/traces/${world().traceId(down)}`);
    await collector.close();
    expect(answer.status).toBe(200);
  });
});

test('spans go to a collector that has the name of a service, not to that service', async () => {
  const namesake = await world().service('otel-collector', { env: { OTEL_SDK_DISABLED: 'true' } });
  const service = await world().service('provider', {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel-collector:1', LOSSLESS_WARMUP_MS: '100' },
  });
  await world().leave(service);
  expect(await world().served(namesake)).toBe(0);
  expect(linesOf(service).at(-1)).toMatchObject({ msg: 'offline ended: success', exported: 0 });
});

test('a collector that comes back during the shutdown gets the whole trace', async () => {
  const port = await freePort();
  const service = await world().service('provider', {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, LOSSLESS_HOLD_MS: '3000' },
  });
  await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'without the plugin' });
  service.child.signal('SIGTERM');
  await entered(service.child, 'draining');
  const collector = await embeddedCollector({ ports: [port] });
  await service.child.ends();
  const answer = await fetch(`${collector.queryUrl}/api/traces/${world().traceId(service)}`);
  const { data } = (await answer.json()) as { data: { spans: { operationName: string }[] }[] };
  await collector.close();
  expect(data[0]?.spans.map((span) => span.operationName).sort()).toEqual(
    ['deregister', 'drain', 'entry', 'notify', 'offline', 'offline.started', 'stop'].map((work) => `lossless.${work}`),
  );
});

describe('the spool', () => {
  test('corrupt files are set aside with a message, the others are sent', async () => {
    const service = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' } });
    await world().leave(service);
    writeFileSync(join(world().spoolDir, '0-garbage.json'), '{"resourceSpans":');
    writeFileSync(join(world().spoolDir, '0-other.json'), '[]');
    const { stderr } = await lossless([
      'replay',
      '--all',
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
  ])('a spool that %s: the log says what is lost, and the process ends as usual', async (_, make) => {
    make();
    const service = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' } });
    expect(await timeToLeave(service)).toBeLessThan(5_000);
    expect(await service.child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    const lines = linesOf(service);
    expect(lines.filter(({ code }) => code === 'LOSSLESS_SPOOL_UNWRITABLE')).toHaveLength(2);
    expect(lines.at(-1)).toMatchObject({ msg: 'offline ended: success', exported: 0, spooled: 0, lost: 13 });
  });

  test('a back end that takes Protobuf alone gets what was spooled as JSON, as older versions spooled it', async () => {
    const service = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' } });
    await world().leave(service);
    const names: string[] = [];
    const server = createServer(async (request, response) => {
      const sent = Buffer.concat(await request.toArray());
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      const isProtobuf = request.headers['content-type'] === 'application/x-protobuf';
      response.writeHead(isProtobuf ? 200 : 415).end();
      if (!isProtobuf || request.url !== '/v1/traces') return;
      const { groups } = decodeOtlp(body, 'protobuf');
      names.push(...groups.flatMap(({ spans }) => spans.map(({ name }) => name)));
    });
    const otlp = `http://127.0.0.1:${await useServer(server)}`;
    const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
    expect(await lossless(['replay', '--all', '--dir', world().spoolDir, '--otlp', otlp], env)).toMatchObject({
      code: 0,
    });
    expect(names).toEqual(expect.arrayContaining(['lossless.offline', 'lossless.drain']));
    expect(spooled()).toEqual([]);
  });

  test('a consumer that calls process.exit leaves its span in the spool', async () => {
    const leaving = await world().service('provider');
    await world().service('provider');
    const caller = await world().caller('http://provider/echo', 50, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: await badCollector() },
    });
    await world().called(leaving);
    await world().leave(leaving);
    await until(
      async () =>
        (await world()
          .jaeger.trace(world().traceId(leaving))
          .catch(() => undefined)) !== undefined,
    );
    await caller.stop();
    await caller.child.ends();
    await lossless(['replay', '--all', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl]);
    expect((await world().trace(leaving)).verdict).toMatchObject({ whole: true, refreshes: 1 });
  });
});

test('R26: a killed process leaves its start marker, and inspect says what is missing', async () => {
  const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '20000' } });
  await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'without the plugin' });
  service.child.signal('SIGTERM');
  await entered(service.child, 'draining');
  const id = world().traceId(service);
  await until(
    async () =>
      (await world()
        .jaeger.trace(id)
        .catch(() => undefined)) !== undefined,
  );
  service.child.signal('SIGKILL');
  await service.child.ends();
  const { code, stdout } = await lossless(['inspect', id, '--url', world().collector.queryUrl]);
  expect(code).toBe(1);
  expect(stdout).toContain('the span lossless.offline has not arrived');
  expect(stdout).toContain('offline.started');
});

describe('a process that is killed while it leaves', () => {
  /** It holds, as there is a caller without the plugin, and is killed. */
  async function killed(env: Readonly<Record<string, string>> = {}): Promise<Service> {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '20000', ...env } });
    await fetch(`http://127.0.0.1:${service.port}/echo`, { method: 'POST', body: 'without the plugin' });
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    if (env['OTEL_EXPORTER_OTLP_ENDPOINT'] === undefined)
      await until(async () => (await verdict(service)) !== undefined);
    await until(() =>
      spooled().some(
        (name) =>
          name.endsWith('.leaving') && readFileSync(join(world().spoolDir, name), 'utf8').includes('"during":"drain"'),
      ),
    );
    service.child.signal('SIGKILL');
    await service.child.ends();
    return service;
  }

  const verdict = async (service: Service) => {
    const trace = await world()
      .jaeger.trace(world().traceId(service))
      .catch(() => undefined);
    return trace === undefined ? undefined : { ...assess(trace), root: spansOf(trace, 'offline') };
  };

  const isClosed = async (service: Service): Promise<void> => {
    await until(async () => (await verdict(service))?.result === 'killed');
    const { root, problems } = (await verdict(service)) ?? {};
    expect(root).toEqual([
      expect.objectContaining({
        isError: true,
        tags: expect.objectContaining({
          'lossless.offline.result': 'killed',
          'lossless.offline.trigger': 'SIGTERM',
          'error.type': 'killed',
          'lossless.service': 'provider',
        }),
      }),
    ]);
    expect(problems?.[0]).toMatch(/the process was killed/);
    expect(spooled()).toEqual([]);
  };

  test('an ended process leaves no last will, although the next process looks for one at once', async () => {
    for (let n = 0; n < 6; n++) {
      const [leaving] = await Promise.all([world().service('provider'), world().service('other')]);
      await world().leave(leaving);
      expect(spooled().filter((name) => name.endsWith('.leaving'))).toEqual([]);
      expect(spansOf(await world().trace(leaving), 'offline')).toHaveLength(1);
    }
  });

  test('the next start reports it once, and so do inspect and verify', async () => {
    const service = await killed();
    const others = await Promise.all([world().service('provider'), world().service('other')]);
    await isClosed(service);
    expect((await verdict(service))?.problems[0]).toMatch(/while it drained; its last sign of life came/);
    const url = world().collector.queryUrl;
    expect(await lossless(['inspect', world().traceId(service), '--url', url])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/: killed, .*\n.*\n- the process was killed while it drained/),
    });
    expect(await lossless(['verify', '--service', 'provider', '--since', '10m', '--url', url])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/killed[\s\S]*the process was killed while it drained[\s\S]*lossy/),
    });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/duration_milliseconds_count\{[^}]*lossless_offline_result="killed"[^}]*\} 1\n/);
    for (const other of others) await world().leave(other);
  });

  test('lossless replay reports it, and nothing of a living process', async () => {
    const service = await killed();
    const living = await world().service('other', { env: { OTEL_SDK_DISABLED: 'true' } });
    const leaving = await world().service('third', { env: { LOSSLESS_HOLD_MS: '20000' } });
    await fetch(`http://127.0.0.1:${leaving.port}/echo`, { method: 'POST', body: 'without the plugin' });
    leaving.child.signal('SIGTERM');
    await entered(leaving.child, 'draining');
    await until(() => spooled().length > 0);
    await lossless(['replay', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl]);
    await until(async () => (await verdict(service))?.result === 'killed');
    expect(await verdict(leaving)).toMatchObject({ result: 'missing' });
    expect(living.child.stderr).toContain('no shutdown traces: OTEL_SDK_DISABLED');
    leaving.child.signal('SIGTERM');
  });

  test('with no collector there: a replay reports it to the next collector, and a second replay has nothing left', async () => {
    const service = await killed({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
    expect(await verdict(service)).toBeUndefined();
    const replay = ['replay', '--all', '--dir', world().spoolDir, '--otlp', world().collector.otlpUrl];
    expect(await lossless(replay)).toMatchObject({ code: 0 });
    await isClosed(service);
    expect((await verdict(service))?.problems[0]).toMatch(/while it drained; its last sign of life came/);
    expect(await lossless(replay)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^0 sent/) });
    expect((await verdict(service))?.root).toHaveLength(1);
  });

  test('the embedded collector reports it when no process does, once the grace period is over', async () => {
    const service = await killed({ LOSSLESS_GRACE_PERIOD_MS: '2000' });
    rmSync(world().spoolDir, { recursive: true });
    mkdirSync(world().spoolDir, { mode: 0o700 });
    expect((await verdict(service))?.result).toBe('missing');
    await isClosed(service);
    expect((await verdict(service))?.durationMs).toBeLessThanOrEqual(2_000);
  }, 30_000);
});

test('OTEL_TRACES_EXPORTER=none: no spans, one line, everything else as usual', async () => {
  const service = await world().service('provider', { env: { OTEL_TRACES_EXPORTER: 'none' } });
  expect(await world().leave(service)).toEqual({ code: null, signal: 'SIGTERM' });
  expect(linesOf(service).filter(({ msg }) => msg.startsWith('no shutdown traces: OTEL_SDK_DISABLED'))).toHaveLength(1);
  await expect(world().jaeger.trace(world().traceId(service))).rejects.toThrow('LOSSLESS_TRACE_NOT_FOUND');
});

test.runIf(process.geteuid?.() === 0)(
  'default directories that another user has taken: others are used, and the service gets ready',
  async () => {
    const [temporary, home] = ['tmp', 'home'].map((name) => join(world().directory, name)) as [string, string];
    for (const directory of [temporary, home]) mkdirSync(directory);
    for (const name of ['spool', 'registry']) {
      const taken = join(temporary, `lossless-${name}-0`);
      mkdirSync(taken);
      chownSync(taken, 54_321, 54_321);
    }
    const service = await world().service('provider', {
      env: {
        TMPDIR: temporary,
        HOME: home,
        LOSSLESS_REGISTRY: 'file:',
        LOSSLESS_SPOOL_DIR: '',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      },
    });
    expect(service.child.stderr).toMatch(/lossless-registry-0 cannot be used \(it belongs to another user/);
    expect(service.child.stderr).toMatch(/lossless-spool-0 cannot be used \(it belongs to another user/);
    const ready = await fetch(`http://127.0.0.1:${await world().controlPort(service)}/readiness`);
    expect(ready.status).toBe(200);
    await world().leave(service);
    expect(readdirSync(join(home, '.cache/lossless-lifecycle/lossless-spool')).length).toBeGreaterThan(0);
  },
);

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
      await world().called(leaving);
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
    'preloaded %s the plugin: a GoAway carries one traceparent, that of the plugin',
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
        });
        const port = await useServer(control);
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
