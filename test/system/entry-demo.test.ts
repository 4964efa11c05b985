import { delimiter, dirname } from 'node:path';
import { expect, test } from 'vitest';
import type { Child } from '../support/process/child.ts';
import { CLI } from '../support/process/cli.ts';
import { descendants } from '../support/process/descendants.ts';
import { isRunning } from '../support/process/is-running.ts';
import { useChildren } from '../support/process/use-children.ts';
import { serverMissing } from '../support/servers/built.ts';
import { unpacked } from '../support/servers/unpacked.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('proxies');
const children = useChildren();

function start(...args: readonly string[]): Child {
  const { command, env } = unpacked('proxies', 'usr/sbin/nginx');
  const PATH = [dirname(command), process.env['PATH']].join(delimiter);
  return children.node(CLI, { args: ['demo', '--entry', ...args], env: { ...env, PATH } });
}

test.skipIf(missing)(
  `the demo with --entry: callers without the plugin lose nothing, sooner than by hand${missing ? ` (${missing})` : ''}`,
  async () => {
    const demo = start('--json', '--seconds', '30', '--rate', '80');
    expect(await demo.ends(120_000), demo.stderr).toEqual({ code: 0, signal: null });
    expect(demo.lines).toHaveLength(1);
    const { base, gray, traces } = JSON.parse(demo.stdout);
    expect(gray).toMatchObject({ failed: 0, reasons: {}, shutdowns: 2, connectionsLeft: [0, 0] });
    expect(gray.requests).toBeGreaterThan(30 * 80 * 0.9);
    expect(base).toMatchObject({ shutdowns: 2 });
    for (const left of base.connectionsLeft) expect(left).toBeGreaterThan(0);
    for (const trace of traces) expect(trace).toMatchObject({ result: 'success', orphans: 0 });
    expect(traces).toHaveLength(gray.shutdowns);
  },
  150_000,
);

test.skipIf(missing)(
  'a demo with --entry that is killed leaves no proxy behind',
  async () => {
    const demo = start();
    await demo.sees(/ 1 shutdowns each/);
    const family = descendants(demo.pid);
    expect(family.length).toBeGreaterThanOrEqual(10); // of each set three proxies and two applications
    demo.signal('SIGKILL');
    await demo.ends();
    await until(() => !family.some(isRunning));
  },
  60_000,
);
