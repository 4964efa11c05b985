import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isRunning, startedAt } from '../../../src/process/started-at.ts';
import { useChildren } from '../../support/process/use-children.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const children = useChildren();
const onLinux = test.runIf(process.platform === 'linux');

onLinux('a process has one start, a later one a later start', async () => {
  const child = children.run('sleep', ['60']);
  const started = startedAt(child.pid);
  expect(started).toBeGreaterThanOrEqual(startedAt(process.pid) ?? Number.POSITIVE_INFINITY);
  expect(startedAt(child.pid)).toBe(started);
  child.signal('SIGKILL');
  await child.ends();
  expect(startedAt(child.pid)).toBeUndefined();
  expect(isRunning(child.pid)).toBe(false);
});

onLinux('a name with blanks and parentheses does not shift the fields', async () => {
  const odd = join(useScratchFolder(), 'a) Z 1 (b');
  copyFileSync('/bin/sleep', odd);
  const child = children.run(odd, ['60']);
  expect(startedAt(child.pid)).toBeGreaterThanOrEqual(startedAt(process.pid) ?? Number.POSITIVE_INFINITY);
});

onLinux('a zombie has ended', async () => {
  const parent = children.run('sh', ['-c', 'sleep 60 & echo "child $!"; exec sleep 60']);
  const pid = Number((await parent.sees(/child (\d+)/))[1]);
  expect(startedAt(pid)).toBeGreaterThan(0);
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => startedAt(pid)).toBeUndefined();
  expect(isRunning(pid)).toBe(true);
});

test('no process has an id that none can have', () => {
  expect(isRunning(2 ** 31 - 1)).toBe(false);
  expect(startedAt(2 ** 31 - 1)).toBeUndefined();
});
