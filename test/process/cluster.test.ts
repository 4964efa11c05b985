import { describe, expect, test } from 'vitest';
import type { Child } from '../support/process/child.ts';
import { isRunning } from '../support/process/is-running.ts';
import { LINES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { until } from '../support/until.ts';

const CLUSTER = new URL('../fixtures/signals/cluster.ts', import.meta.url);

describe.each(LINES)('a cluster of two workers, on Node.js %s', (line) => {
  const children = useChildren();

  const start = async (...args: string[]): Promise<{ primary: Child; workers: readonly number[] }> => {
    const primary = children.node(CLUSTER, { line, args });
    const serving = () => [...primary.stdout.matchAll(/^worker (\d+) serves/gm)].map(([, pid]) => Number(pid));
    await until(() => serving().length === 2);
    return { primary, workers: serving() };
  };
  const count = (child: Child, pattern: RegExp): number => child.lines.filter((text) => pattern.test(text)).length;

  test('a signal to the primary only: every worker goes offline, then the primary is killed by it', async () => {
    const { primary, workers } = await start();
    primary.signal('SIGTERM');
    expect(await primary.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(count(primary, /^offline begun SIGTERM$/)).toBe(2);
    expect(count(primary, /^offline ended true$/)).toBe(2);
    expect(count(primary, /^worker ended null SIGTERM$/)).toBe(2);
    expect(count(primary, /^replaced$/)).toBe(0);
    expect(workers.filter(isRunning)).toEqual([]);
  });

  test('handlers of the workers decide how the workers end', async () => {
    const { primary } = await start('none', 'handles');
    primary.signal('SIGINT');
    await primary.sees(/offline begun SIGINT/);
    expect(await primary.ends()).toEqual({ code: null, signal: 'SIGINT' });
  });

  test('a signal to the whole group is one signal for each worker: systemd, a terminal', async () => {
    const { primary, workers } = await start('none', 'handles', '1500');
    for (const pid of workers) process.kill(pid, 'SIGTERM');
    await until(() => count(primary, /^offline begun/) === 2);
    primary.signal('SIGTERM');
    expect(await primary.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(count(primary, /^offline ended true$/)).toBe(2);
    expect(count(primary, /^worker \d+ heard$/)).toBe(2);
    expect(count(primary, /^worker ended 7 null$/)).toBe(2);
  });

  test('a primary with own handlers is left alone', async () => {
    const { primary } = await start('handles');
    primary.signal('SIGTERM');
    await primary.sees(/primary heard/);
    expect(primary.lines.indexOf('primary heard')).toBe(2);
    expect(await primary.ends()).toEqual({ code: 4, signal: null });
    expect(count(primary, /^offline ended true$/)).toBe(2);
  });

  test('the primary does not wait for workers beyond the grace period', async () => {
    const { primary } = await start('none', 'none', '60000', '100');
    primary.signal('SIGTERM');
    await until(() => primary.process.signalCode !== null, 10_000);
    expect(primary.process.signalCode).toBe('SIGTERM');
  });

  test('a second signal reaches the workers at once', async () => {
    const { primary } = await start('none', 'none', '60000');
    primary.signal('SIGTERM');
    await until(() => count(primary, /^offline begun/) === 2);
    primary.signal('SIGINT');
    expect(await primary.ends()).toEqual({ code: null, signal: 'SIGINT' });
    await until(() => count(primary, /handed over at once/) >= 2);
  });

  test('workers that lose their primary go offline before they exit', async () => {
    const { primary, workers } = await start();
    primary.signal('SIGKILL');
    await until(() => workers.every((pid) => !isRunning(pid)));
    await primary.ends();
    expect(count(primary, /^offline begun SIGTERM$/)).toBe(2);
    expect(count(primary, /^offline ended true$/)).toBe(2);
  });

  test('a worker goes on with its offline when the primary dies meanwhile', async () => {
    const { primary, workers } = await start('none', 'none', '1000');
    for (const pid of workers) process.kill(pid, 'SIGTERM');
    await until(() => count(primary, /^offline begun SIGTERM$/) === 2);
    primary.signal('SIGKILL');
    await primary.ends();
    expect(count(primary, /^offline ended true$/)).toBe(2);
  });
});
