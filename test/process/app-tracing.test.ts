import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Trace } from '../../src/trace/model/trace.ts';
import { listening, portOf } from '../support/listening.ts';
import { appPortOf, entered } from '../support/process/announced.ts';
import { LINE, LINES, type NodeLine } from '../support/process/node-lines.ts';
import { type Service, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

/** Where the application runs, and the packages of OpenTelemetry are found. */
const cwd = fileURLToPath(new URL('..', import.meta.url));

async function start(
  name: string,
  kind: 'mjs' | 'cjs',
  next: string,
  env: Record<string, string>,
  line: NodeLine = LINE,
) {
  const file = new URL(`../fixtures/apps/chain.${kind}`, import.meta.url);
  const child = world().children.node(file, { line, cwd, env: world().env(name, env), args: [next] });
  const port = await appPortOf(child);
  await entered(child, 'warming');
  return { child, port } satisfies Service;
}

/** Traces of requests that `service` served, once there are `count`. */
async function requests(service: string, count: number): Promise<readonly Trace[]> {
  let found: readonly Trace[] = [];
  await until(async () => {
    found = (await world().jaeger.search({ service })).filter(({ spans }) =>
      spans.some(({ name }) => !name.startsWith('lossless.')),
    );
    return found.length >= count;
  });
  return found;
}

const TRACED = { LOSSLESS_APP_TRACING: 'true', LOSSLESS_HOLD_MS: '0' };

describe('LOSSLESS_APP_TRACING', () => {
  test.each(LINES.flatMap((line) => (['mjs', 'cjs'] as const).map((kind) => [kind, line] as const)))(
    'traces the requests of a %s application on Node %s, joined across processes, by fetch and node:http',
    async (kind, line) => {
      const end = await start('end', kind, '', TRACED, line);
      const begin = await start('begin', kind, 'http://end', TRACED, line);
      for (const path of ['/', '/http'])
        expect(await (await fetch(`http://127.0.0.1:${begin.port}${path}`)).text()).toBe('end');
      await world().leave(begin);
      await world().leave(end);
      const traces = await requests('end', 2);
      expect(traces).toHaveLength(2);
      for (const { spans } of traces) {
        expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['begin', 'end']));
        expect(spans).toHaveLength(3);
      }
      // GoAways, sent by `end` and received by `begin`, do not count as requests of the application.
      expect((await world().trace(end)).verdict).toMatchObject({ whole: true, result: 'success' });
      expect((await world().trace(begin)).verdict).toMatchObject({ whole: true, result: 'success' });
    },
  );

  test('the sampler comes from the environment, and the shutdown trace is whole whatever the sampler drops', async () => {
    const service = await start('end', 'mjs', '', { ...TRACED, OTEL_TRACES_SAMPLER: 'always_off' });
    await (await fetch(`http://127.0.0.1:${service.port}/`)).text();
    await world().leave(service);
    expect((await world().trace(service)).verdict).toMatchObject({ whole: true, result: 'success' });
    const all = await world().jaeger.search({ service: 'end' });
    expect(all.flatMap(({ spans }) => spans).filter(({ name }) => !name.startsWith('lossless.'))).toEqual([]);
  });

  test('a collector that never answers delays the end by two seconds at most', async () => {
    const silent = createServer(() => {});
    await listening(silent);
    try {
      const endpoint = `http://127.0.0.1:${portOf(silent)}`;
      const service = await start('end', 'mjs', '', { ...TRACED, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
      await (await fetch(`http://127.0.0.1:${service.port}/`)).text();
      await world().leave(service);
      const timeOf = (message: string): number =>
        Number(new RegExp(`"time":(\\d+)[^\n]*${message}`).exec(service.child.stderr)?.[1]);
      expect(timeOf('offline ended: success') - timeOf('draining -> stopping')).toBeLessThan(2_000 + 750);
    } finally {
      silent.close();
      silent.closeAllConnections();
    }
  });

  test('a GoAway makes no span of the application', async () => {
    const leaving = await start('end', 'mjs', '', TRACED);
    await start('end', 'mjs', '', TRACED);
    const begin = await start('begin', 'mjs', 'http://end', TRACED);
    // Which of the two is called is drawn anew for each request.
    let sent = 0;
    for (; (await world().served(leaving)) === 0; sent++) await (await fetch(`http://127.0.0.1:${begin.port}/`)).text();
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    expect(trace.verdict).toMatchObject({ whole: true, result: 'success', planned: 1, acked: 1 });
    expect(trace.spans.filter(({ name }) => !name.startsWith('lossless.'))).toEqual([]);
    await world().leave(begin);
    const traces = await requests('begin', sent);
    expect(traces).toHaveLength(sent);
  });

  test('an SDK of the application is left alone, and one line says so', async () => {
    const preloaded = `--import=data:text/javascript,globalThis[Symbol.for('opentelemetry.js.api.1')]={version:'1.9.0',trace:{}}`;
    const env = world().env('end', TRACED);
    const file = new URL('../fixtures/apps/chain.mjs', import.meta.url);
    const child = world().children.node(file, {
      env: { ...env, NODE_OPTIONS: `"${preloaded.replaceAll('"', '\\"')}" ${env['NODE_OPTIONS']}` },
    });
    await entered(child, 'warming');
    expect(child.stderr.match(/has its own OpenTelemetry SDK/g)).toHaveLength(1);
  });
});
