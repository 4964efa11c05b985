import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Child } from '../support/process/child.ts';
import { LINES, NODES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';

const SERVICE = fileURLToPath(new URL('../fixtures/signals/service.ts', import.meta.url));
const UNSHARE = ['--pid', '--fork', '--mount-proc'];

const canUnshare = ((): boolean => {
  try {
    execFileSync('unshare', [...UNSHARE, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!canUnshare) console.warn('SKIPPED: PID 1. These tests need Linux and the right to make a pid namespace (root).');

describe.skipIf(!canUnshare).each(LINES)('as PID 1 on Node.js %s', (line) => {
  const children = useChildren();

  const start = async (application: string): Promise<{ unshare: Child; pid: number }> => {
    const unshare = children.run('unshare', [...UNSHARE, NODES[line], SERVICE, application]);
    await unshare.sees(/^ready$/m);
    const pid = Number(readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'latin1'));
    return { unshare, pid };
  };

  test.each([
    ['none', 'SIGTERM', 143],
    ['none-but-leaks', 'SIGTERM', 143],
    ['none', 'SIGINT', 130],
    ['exits-7', 'SIGTERM', 7],
    ['closes-naturally', 'SIGTERM', 0],
    ['keeps-running', 'SIGTERM', 143],
  ] as const)('application %s, %s: the offline, then code %i', async (application, signal, code) => {
    const { unshare, pid } = await start(application);
    process.kill(pid, signal);
    expect(await unshare.ends()).toEqual({ code, signal: null });
    expect(unshare.lines).toContain('offline ended true');
  });
});
