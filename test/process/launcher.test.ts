import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Child, isRunning, LINES, NODES, useChildren } from '../support/child.ts';

const SERVICE = fileURLToPath(new URL('../fixtures/signals/launched.ts', import.meta.url));
const DASH = '/bin/dash';
if (!existsSync(DASH)) console.warn(`SKIPPED: npm through a shell that stays. These tests need ${DASH}.`);

describe.each(LINES)('started by a launcher, on Node.js %s', (line) => {
  const children = useChildren();
  let project: string;
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), 'lossless-project-'));
    const run = `${NODES[line]} ${SERVICE}`;
    writeFileSync(join(project, 'package.json'), JSON.stringify({ scripts: { start: run, exec: `exec ${run}` } }));
  });
  afterEach(() => rmSync(project, { recursive: true }));

  const start = async (command: string, ...args: string[]): Promise<{ launcher: Child; pid: number }> => {
    const env = { npm_config_script_shell: DASH, npm_config_update_notifier: 'false' };
    const launcher = children.run(command, args, { cwd: project, env });
    const [, pid] = await launcher.sees(/^ready (\d+)$/m);
    return { launcher, pid: Number(pid) };
  };
  /** The launcher has ended and the service knows nothing of it. */
  const orphans = async ({ launcher, pid }: { launcher: Child; pid: number }): Promise<void> => {
    launcher.signal('SIGTERM');
    await new Promise((resolve) => launcher.process.once('exit', resolve));
    expect(isRunning(pid)).toBe(true);
    expect(launcher.stdout).not.toContain('offline');
    process.kill(pid, 'SIGTERM');
    await launcher.sees(/offline ended true/);
  };

  test.skipIf(!existsSync(DASH))('npm start through a shell that stays: said at the start, and true', async () => {
    const started = await start('npm', 'start');
    expect(started.launcher.stdout).toMatch(/^unseen started by npm through a shell.*exec node/m);
    await orphans(started);
  });

  test.skipIf(!existsSync(DASH))('npm with exec: silent, and the signal arrives', async () => {
    const { launcher } = await start('npm', 'run', 'exec');
    expect(launcher.stdout).toMatch(/^unseen undefined$/m);
    launcher.signal('SIGTERM');
    await launcher.sees(/offline ended true/);
    await launcher.ends();
  });

  test.skipIf(!existsSync(DASH))(
    'a terminal signals npm and the service, and npm passes it on: one offline',
    async () => {
      const { launcher } = await start('npm', 'run', 'exec');
      process.kill(-launcher.pid, 'SIGINT');
      await launcher.ends();
      expect(launcher.stdout.match(/offline begun/g)).toHaveLength(1);
      expect(launcher.stdout).toContain('offline ended true');
      expect(launcher.stdout).not.toContain('handed over at once');
    },
  );

  test('node --run: said at the start, and true', async () => {
    const started = await start(NODES[line], '--run', 'start');
    expect(started.launcher.stdout).toMatch(/^unseen started by node --run/m);
    await orphans(started);
  });

  test('node itself: silent', async () => {
    const { launcher } = await start(NODES[line], SERVICE);
    expect(launcher.stdout).toMatch(/^unseen undefined$/m);
    expect(launcher.stdout).toMatch(/^kill time-out undefined$/m);
  });
});
