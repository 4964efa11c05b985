import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Child } from '../support/process/child.ts';
import { isRunning } from '../support/process/is-running.ts';
import { LINES, NODES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const APPLICATION = fileURLToPath(new URL('../fixtures/signals/service.ts', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../fixtures/signals/launcher.ts', import.meta.url));
const SERVICE = fileURLToPath(new URL('../fixtures/signals/launched.ts', import.meta.url));
const DASH = '/bin/dash';
if (!existsSync(DASH)) console.warn(`SKIPPED: npm through a shell that stays. These tests need ${DASH}.`);

/** Undefined when tsx is not installed. */
function tsx(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('tsx/cli');
  } catch {
    console.warn('SKIPPED: started by tsx. These tests need tsx among the packages that are installed.');
    return undefined;
  }
}

const TSX = tsx();

describe.each(LINES)('started by a launcher, on Node.js %s', (line) => {
  const children = useChildren();
  let project: string;
  beforeEach(() => {
    project = useScratchFolder();
    const run = `${NODES[line]} ${SERVICE}`;
    writeFileSync(join(project, 'package.json'), JSON.stringify({ scripts: { start: run, exec: `exec ${run}` } }));
  });

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

  test.skipIf(!existsSync(DASH))('npm start through a shell that stays: a true warning at the start', async () => {
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

  test('node --watch: the signal reaches the service, and it ends its offline', async () => {
    const { launcher } = await start(NODES[line], '--watch', SERVICE);
    launcher.signal('SIGTERM');
    await launcher.sees(/offline ended true/);
    await launcher.ends();
    expect(launcher.stdout.match(/offline begun/g)).toHaveLength(1);
  });

  test('node --run: a true warning at the start', async () => {
    const started = await start(NODES[line], '--run', 'start');
    expect(started.launcher.stdout).toMatch(/^unseen started by node --run/m);
    await orphans(started);
  });

  describe.each([
    ['a launcher that kills a service that does not report', LAUNCHER],
    ['tsx', TSX],
  ])('%s', (_, launcher) => {
    // tsx gives its child 30 ms to report, which a busy machine does not always.
    const options = { skip: launcher === undefined, retry: 3 };
    const launch = async (...args: string[]): Promise<Child> => {
      const child = children.run(NODES[line], ['--disable-warning=ExperimentalWarning', launcher ?? '', ...args]);
      await child.sees(/^ready/m);
      return child;
    };
    const offlines = (child: Child): number => child.stdout.match(/offline begun/g)?.length ?? 0;

    test.each(['SIGTERM', 'SIGINT'] as const)(
      '%s to the launcher alone: the service runs its offline to the end',
      options,
      async (signal) => {
        const child = await launch(SERVICE);
        child.signal(signal);
        expect(await child.ends()).toEqual({ code: 128 + constants.signals[signal], signal: null });
        expect(child.stdout).toContain('offline ended true');
        expect(offlines(child)).toBe(1);
      },
    );

    test.each(['SIGTERM', 'SIGINT'] as const)(
      '%s to the group: the service runs one offline to its end',
      options,
      async (signal) => {
        const child = await launch(SERVICE);
        process.kill(-child.pid, signal);
        expect(await child.ends()).toEqual({ code: 128 + constants.signals[signal], signal: null });
        expect(child.stdout).toContain('offline ended true');
        expect(offlines(child)).toBe(1);
      },
    );

    test('handlers of the application hear the signal after the offline', options, async () => {
      const child = await launch(APPLICATION, 'exits-7', '0', '300');
      child.signal('SIGTERM');
      expect(await child.ends()).toEqual({ code: 7, signal: null });
      expect(child.lines.slice(-3)).toEqual(['offline begun SIGTERM', 'offline ended true', 'heard SIGTERM 15']);
    });
  });

  test('node itself: silent', async () => {
    const { launcher } = await start(NODES[line], SERVICE);
    expect(launcher.stdout).toMatch(/^unseen undefined$/m);
    expect(launcher.stdout).toMatch(/^kill time-out undefined$/m);
  });
});
