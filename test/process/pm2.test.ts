import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRunning } from '../support/process/is-running.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const PM2 = createRequire(import.meta.url).resolve('pm2/bin/pm2');
const WATCH = new URL('../fixtures/signals/watch.ts', import.meta.url).href;
const SERVICE = fileURLToPath(new URL('../fixtures/signals/launched.cjs', import.meta.url));

describe('under PM2', () => {
  const children = useChildren();
  let home: string;
  beforeEach(() => {
    home = useScratchFolder();
  });
  afterEach(async () => {
    const pids = [...daemon(), ...services()];
    for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL');
    await until(() => !pids.some(isRunning));
  });

  const read = (name: string): string => {
    try {
      return readFileSync(join(home, name), 'utf8');
    } catch {
      return '';
    }
  };
  const daemon = (): number[] => (read('pm2.pid') === '' ? [] : [Number(read('pm2.pid'))]);
  const services = (): number[] => [...read('said.log').matchAll(/^ready (\d+)$/gm)].map(([, pid]) => Number(pid));
  const pm2 = async (args: string[], env = {}): Promise<void> => {
    const child = children.run(NODES[LINE], [PM2, ...args], {
      env: { PM2_HOME: home, PM2_DISABLE_VERSION_CHECK: 'true', SAY_TO: join(home, 'said.log'), ...env },
    });
    const { code } = await child.ends(60_000);
    expect(code, child.stdout + child.stderr).toBe(0);
  };
  const start = async (settings: object, env = {}): Promise<void> => {
    const app = {
      name: 'service',
      script: SERVICE,
      interpreter: NODES[LINE],
      ...settings,
    };
    writeFileSync(join(home, 'ecosystem.config.json'), JSON.stringify({ apps: [app] }));
    await pm2(['start', join(home, 'ecosystem.config.json')], env);
  };
  const count = (pattern: RegExp): number => [...read('said.log').matchAll(pattern)].length;

  test('fork mode: the SIGINT of PM2 runs the offline, and the plugin knows the kill time-out', async () => {
    await start({ exec_mode: 'fork', kill_timeout: 5_000 });
    await until(() => services().length === 1);
    expect(read('said.log')).toContain('kill time-out 5000');
    expect(read('said.log')).toContain('unseen undefined');
    await pm2(['stop', 'service']);
    await until(() => !services().some(isRunning));
    expect(count(/^offline begun SIGINT$/gm)).toBe(1);
    expect(count(/^offline ended true$/gm)).toBe(1);
  });

  test('cluster mode: each worker goes offline, and the daemon lives on', async () => {
    await start({ exec_mode: 'cluster', instances: 2 });
    await until(() => services().length === 2);
    expect(count(/^kill time-out 1600$/gm)).toBe(2);
    await pm2(['stop', 'service']);
    await until(() => !services().some(isRunning));
    expect(count(/^offline begun SIGINT$/gm)).toBe(2);
    expect(count(/^offline ended true$/gm)).toBe(2);
    expect(daemon().map(isRunning)).toEqual([true]);
  });

  test('the daemon, a cluster primary with own handlers, is left alone', async () => {
    await start({ exec_mode: 'cluster', instances: 2 }, { NODE_OPTIONS: `--import=${WATCH}` });
    await until(() => services().length === 2);
    const pids = [...daemon(), ...services()];
    for (const pid of daemon()) process.kill(pid, 'SIGTERM');
    await until(() => !pids.some(isRunning));
    expect(count(/^offline begun SIGINT$/gm)).toBe(2);
    expect(count(/^offline begun SIGTERM$/gm)).toBe(0);
    expect(count(/^offline ended true$/gm)).toBe(2);
    expect(read('pm2.log')).toContain('pm2 has been killed by signal');
  });
});
