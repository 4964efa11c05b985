import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Spool } from '../../../src/trace/spool.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const TARGET = 'a';

const root = useScratchFolder();

/** The two ways in which a body is kept. */
const PUT: Readonly<Record<string, (spool: Spool) => Promise<void>>> = {
  put: (spool) => spool.put('{}'),
  putNow: async (spool) => spool.putNow('{}'),
};

describe.each(Object.entries(PUT))('%s', (way, put) => {
  const spoolAt = (directory: string) =>
    new Spool({ directory, target: TARGET, clock: new SimulatedClock(), log: () => {} });

  test('makes a directory of this user alone', async () => {
    const directory = join(root, `${way}-own`);
    await put(spoolAt(directory));
    await put(spoolAt(directory));
    expect(lstatSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toHaveLength(2);
  });

  test.each([0o777, 0o1777, 0o775, 0o2770])(
    'makes an own directory inside one in which others may write, and leaves the mode %o',
    async (mode) => {
      const directory = join(root, `${way}-shared-${mode}`);
      mkdirSync(directory);
      chmodSync(directory, mode);
      await put(spoolAt(directory));
      expect(lstatSync(directory).mode & 0o7777).toBe(mode);
      const [own = ''] = readdirSync(directory);
      expect(own).toBe(`lossless-${process.geteuid?.()}`);
      expect(lstatSync(join(directory, own)).mode & 0o777).toBe(0o700);
      expect(await spoolAt(directory).size()).toBe(1);
    },
  );

  test('refuses an own directory that is a link, or open to others', async () => {
    const directory = join(root, `${way}-forged`);
    const own = join(directory, `lossless-${process.geteuid?.()}`);
    mkdirSync(directory);
    chmodSync(directory, 0o1777);
    symlinkSync(root, own);
    await expect(put(spoolAt(directory))).rejects.toThrow('it is a link');
    rmSync(own);
    mkdirSync(own);
    chmodSync(own, 0o777);
    await expect(put(spoolAt(directory))).rejects.toThrow('other users may write in it');
  });

  test('keeps the mode of a directory that others may only read', async () => {
    const directory = join(root, `${way}-read`);
    mkdirSync(directory, { mode: 0o755 });
    await put(spoolAt(directory));
    expect(lstatSync(directory).mode & 0o777).toBe(0o755);
    const [name = ''] = readdirSync(directory);
    expect(lstatSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  test('keeps nothing where a link leads', async () => {
    const [target, link] = [join(root, `${way}-target`), join(root, `${way}-link`)];
    mkdirSync(target);
    symlinkSync(target, link);
    await expect(put(spoolAt(link))).rejects.toThrow('it is a link');
    expect(readdirSync(target)).toEqual([]);
  });

  test.runIf(process.geteuid?.() === 0)('keeps nothing where another user could read it', async () => {
    const directory = join(root, `${way}-foreign`);
    mkdirSync(directory);
    chownSync(directory, 54_321, 54_321);
    await expect(put(spoolAt(directory))).rejects.toThrow('belongs to another user (54321, not 0)');
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('sending', () => {
  const send = (directory: string) =>
    new Spool({ directory, target: TARGET, clock: new SimulatedClock(), log: () => {} }).claims().next();

  test('makes no directory', async () => {
    expect(await send(join(root, 'none'))).toEqual({ done: true, value: undefined });
    expect(readdirSync(root)).not.toContain('none');
  });

  test.runIf(process.geteuid?.() === 0)('takes nothing that another user could have put there', async () => {
    const directory = join(root, 'forged');
    mkdirSync(directory);
    writeFileSync(join(directory, '1-a.json'), '{"resourceSpans":[]}');
    chownSync(directory, 54_321, 54_321);
    await expect(send(directory)).rejects.toThrow('belongs to another user');
    expect(readdirSync(directory)).toEqual(['1-a.json']);
  });

  test('follows no link', async () => {
    const [target, link] = [join(root, 'send-target'), join(root, 'send-link')];
    mkdirSync(target);
    writeFileSync(join(target, '1-a.json'), '{"resourceSpans":[]}');
    symlinkSync(target, link);
    await expect(send(link)).rejects.toThrow('it is a link');
  });
});
