import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lossless-spool-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a disk that is full leaves no part of a file', () => {
  const source = (name: string) => JSON.stringify(new URL(`../../../src/${name}`, import.meta.url).href);
  const program = `
    import { systemClock } from ${source('lifecycle/clock.ts')};
    import { Spool } from ${source('trace/spool.ts')};
    try {
      new Spool(${JSON.stringify(directory)}, systemClock, () => {}).putNow('x'.repeat(50_000));
    } catch ({ code }) {
      console.log(code);
    }`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  // A limit on the length of files ends a writing midway, as a full disk does.
  expect(execFileSync('sh', ['-c', 'ulimit -f 8 && exec "$@"', 'sh', ...node], { encoding: 'utf8' })).toBe('EFBIG\n');
  expect(readdirSync(directory)).toEqual([]);
});
