import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

const file = (name: string) => fileURLToPath(new URL(`../fixtures/apps/${name}`, import.meta.url));

test('a cluster: the signal to its primary lets all workers leave, and no request is lost', async () => {
  await world().service('provider');
  const primary = world().children.node(file('cluster.ts'), { env: world().env('provider'), args: ['http'] });
  await until(() => (primary.stderr.match(/registering -> warming/g)?.length ?? 0) === 2);
  const caller = await world().caller('http://provider/echo', 100);
  primary.signal('SIGTERM');
  expect(await primary.ends()).toEqual({ code: null, signal: 'SIGTERM' });
  const traces = [...primary.stderr.matchAll(/offline begun: [^"]*\/trace\/([0-9a-f]{32})/g)].map(([, id]) => id ?? '');
  expect(traces).toHaveLength(2);
  for (const id of traces) {
    const found = await world().jaeger.trace(id);
    expect(found.spans.find((span) => span.name === 'lossless.offline')?.tags).toMatchObject({
      'lossless.offline.result': 'success',
    });
  }
  expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
});

test('PM2 stops a service without losing a request, within its own time-out', async () => {
  const home = join(world().directory, 'pm2');
  mkdirSync(home);
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, PM2_HOME: home };
  const pm2 = createRequire(import.meta.url).resolve('pm2/bin/pm2');
  const run = (args: string[], more: Record<string, string> = {}) =>
    promisify(execFile)(process.execPath, [pm2, ...args], { env: { ...env, ...more } });
  await world().service('provider');
  try {
    const { NODE_OPTIONS = '', ...plugin } = world().env('provider');
    await run(
      [
        'start',
        file('app.ts'),
        '--name',
        'provider',
        '--interpreter',
        NODES[LINE],
        '--node-args',
        NODE_OPTIONS,
        '--',
        'http',
      ],
      plugin,
    );
    const log = async () => (await promisify(execFile)('sh', ['-c', `cat ${home}/logs/*.log`])).stdout;
    await until(async () => (await log()).includes('registering -> warming'));
    const caller = await world().caller('http://provider/echo', 100);
    await run(['stop', 'provider']);
    const text = await log();
    expect(text).toContain('LOSSLESS_KILL_TIMEOUT');
    expect(text).toMatch(/offline ended: success/);
    const [, id = ''] = /\/trace\/([0-9a-f]{32})/.exec(text) ?? [];
    expect((await world().jaeger.trace(id)).spans.find((span) => span.name === 'lossless.offline')?.tags).toMatchObject(
      { 'lossless.offline.trigger': 'SIGINT', 'lossless.grace_period': 1.4 },
    );
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  } finally {
    await run(['kill']);
  }
});
