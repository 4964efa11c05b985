import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet } from '../../src/cli/demo/fleet.ts';
import { isMissing } from '../support/left-out.ts';
import { CLI } from '../support/process/cli.ts';
import { descendants } from '../support/process/descendants.ts';
import { isRunning } from '../support/process/is-running.ts';
import { LINES, type NodeLine } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const children = useChildren();

/** Why calls of the base set fail by gRPC: their server has gone, and the list is old. */
const GRPC_FAILED = /UNAVAILABLE/;

/** The folder that has `@grpc/grpc-js`. */
const PACKAGES = join(import.meta.dirname, '../packages');

/** Each line of Node.js, and further arguments of the demo. */
const DEMOS: readonly (readonly [NodeLine, readonly string[]])[] = [
  ...LINES.map((line) => [line, []] as const),
  ...(isMissing('test/packages') ? [] : [['24', ['--grpc']] as const]),
];

test.each(DEMOS)(
  'the demo on Node %s, %j: base loses some, gray none, every trace is whole, one object on standard output',
  async (line, more) => {
    const demo = children.node(CLI, {
      line,
      cwd: PACKAGES,
      args: ['demo', '--json', '--seconds', '12', '--rate', '40', ...more],
    });
    const ending = await demo.ends(120_000);
    expect(ending, demo.stderr).toEqual({ code: 0, signal: null });
    expect(demo.lines).toHaveLength(1);
    const { base, gray, traces, onlineTraces } = JSON.parse(demo.stdout);
    expect(gray).toMatchObject({ failed: 0, requests: expect.any(Number), shutdowns: expect.any(Number) });
    expect(base.failed).toBeGreaterThan(0);
    expect(Object.values(base.reasons as Record<string, number>).reduce((sum, times) => sum + times)).toBe(base.failed);
    expect(gray.reasons).toEqual({});
    expect(GRPC_FAILED.test(Object.keys(base.reasons).join())).toBe(more.includes('--grpc'));
    expect(base.requests).toBeGreaterThan(12 * 40 * 0.9);
    expect(traces).toHaveLength(gray.shutdowns);
    for (const trace of traces) {
      expect(Object.keys(trace)).toEqual([
        'traceId',
        'service',
        'result',
        'planned',
        'acked',
        'spans',
        'orphans',
        'refreshes',
      ]);
      expect(trace).toMatchObject({ result: 'success', orphans: 0, acked: trace.planned, refreshes: trace.planned });
    }
    expect(onlineTraces.length).toBe(7 + gray.shutdowns); // the chain, and one for each that left
    for (const trace of onlineTraces) {
      expect(Object.keys(trace)).toEqual(['traceId', 'service', 'result', 'spans', 'orphans']);
      expect(trace).toMatchObject({ result: expect.stringMatching(/success|cancelled/), orphans: 0 });
    }
  },
  180_000,
);

test('a demo that is interrupted, or killed, leaves no process behind', async () => {
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const demo = children.node(CLI, { args: ['demo', '--seconds', '60'] });
    await until(() => descendants(demo.pid).length >= 14); // two fleets of seven
    const family = descendants(demo.pid);
    demo.signal(signal);
    await demo.ends(60_000);
    await until(() => family.every((pid) => !isRunning(pid)));
  }
}, 180_000);

test('the processes of a demo are not configured by its shell', async () => {
  const shell = {
    LOSSLESS_SERVICE: 'shop',
    OTEL_TRACES_EXPORTER: 'none',
    NODE_OPTIONS: '--max-http-header-size=9000',
    TRACEPARENT: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
  const demo = children.node(CLI, { args: ['demo'], env: shell });
  await until(() => descendants(demo.pid).length >= 14);
  await demo.sees(/ 1 shutdowns each/);
  const environments = descendants(demo.pid).map((pid) => readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0'));
  for (const environment of environments)
    for (const [name, value] of Object.entries(shell)) expect(environment).not.toContain(`${name}=${value}`);
  const isGray = (environment: readonly string[]): boolean => environment.includes('LOSSLESS_ENABLED=true');
  // One that comes may have begun before the one that leaves has ended.
  expect(environments.filter(isGray).length).toBeGreaterThanOrEqual(7);
  const base = environments.filter((environment) => !isGray(environment));
  expect(base.flat().filter((pair) => /^(NODE_OPTIONS|LOSSLESS_)/.test(pair))).toEqual([]);
});

test('a demo reports at once a process that ends before it is ready, and ends the other processes', async () => {
  const directory = useScratchFolder();
  // The first of the two ends; the other one never comes so far that it would notice the end of the demo.
  const preload = `try { process.getBuiltinModule('node:fs').mkdirSync('${directory}/first') } catch { await new Promise(() => setInterval(() => {}, 1_000)) } process.exit(3)`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
  const fleet = new Fleet({ name: 'base', env, byHand: undefined, message: () => {} });
  await expect(fleet.start()).rejects.toThrow('base service-c ended with 3 before it was ready');
  const family = descendants(process.pid);
  expect(family).toHaveLength(1);
  await fleet.close();
  expect(family.filter(isRunning)).toEqual([]);
});

test.each([
  [['demo', '--otlp', 'nope'], 'LOSSLESS_USAGE: --otlp must be a URL beginning with http: or https:, received nope'],
  [['demo', '--otlp', 'http://127.0.0.1:1', '--jaeger', 'nope'], 'LOSSLESS_USAGE: --jaeger must be a URL'],
  [['demo', '--jaeger', 'http://127.0.0.1:1'], 'LOSSLESS_USAGE: --jaeger'],
  [['demo', '--seconds', 'soon'], 'LOSSLESS_USAGE'],
  [['demo', '--unknown'], 'LOSSLESS_USAGE'],
  [['demo', '--entry', '--grpc'], 'LOSSLESS_USAGE: --entry and --grpc'],
  [['demo', '--registry', 'mysql://127.0.0.1'], 'LOSSLESS_USAGE'],
  [['demo', '--registry', 'consul://127.0.0.1:1'], 'LOSSLESS_REGISTRY_UNAVAILABLE'],
  [['nothing'], 'LOSSLESS_USAGE'],
  [['inspect', '--url', 'http://127.0.0.1:1'], 'LOSSLESS_COLLECTOR_UNREACHABLE'],
  [['status', '--port', '1'], 'LOSSLESS_CONTROL_PORT'],
])('lossless %j prints a clear message and ends with exit code 2', async (args, code) => {
  const command = children.node(CLI, { args });
  expect(await command.ends()).toMatchObject({ code: 2 });
  expect(command.stderr).toContain(code);
});

test('the demo with --entry says which proxy is missing and how to get it, and starts nothing', async () => {
  const command = children.node(CLI, { args: ['demo', '--entry'], env: { PATH: useScratchFolder() } });
  expect(await command.ends()).toMatchObject({ code: 2 });
  expect(command.lines).toEqual([]);
  expect(command.stderr).toMatch(
    /^LOSSLESS_DEMO_PROGRAM: .* missing on PATH: haproxy, nginx.*apt-get install haproxy nginx[^\n]*\n$/,
  );
});

test('the demo with --grpc says that its folder has no grpc-js and how to get it, and starts nothing', async () => {
  const folder = useScratchFolder();
  const command = children.node(CLI, { args: ['demo', '--grpc'], cwd: folder });
  expect(await command.ends()).toMatchObject({ code: 2 });
  expect(command.lines).toEqual([]);
  expect(command.stderr).toBe(
    `LOSSLESS_DEMO_PROGRAM: demo --grpc calls by @grpc/grpc-js, which is not installed in ${folder}: npm install @grpc/grpc-js\n`,
  );
});
