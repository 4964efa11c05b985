import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { Renewed } from '../../../src/config/renewed.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

let directory: string;
let now = 0;
beforeEach(() => {
  now = 0;
  directory = useScratchFolder();
});

/** The value of the file `name`, which must not contain "bad". */
function follow(name: string) {
  const said: string[] = [];
  const file = join(directory, name);
  const read = new Renewed({
    files: [file],
    make: ([text = '']) => {
      if (text.includes('bad')) throw new Error(`no good: ${text}`);
      return text;
    },
    now: () => now,
    onTaken: (value) => said.push(`taken ${value}`),
    onRefused: ({ message }) => said.push(message),
  });
  return { file, read, said };
}

/** A second later. */
function later<T>({ read }: { read: Renewed<T> }): T {
  now += 1_000;
  return read.value;
}

test('a file that is written anew, also with as many characters, is read a second later', () => {
  writeFileSync(join(directory, 'f'), 'one');
  const followed = follow('f');
  writeFileSync(followed.file, 'two');
  now += 999;
  expect(followed.read.value).toBe('one');
  now += 1;
  expect(followed.read.value).toBe('two');
  expect(followed.said).toEqual(['taken two']);
});

test('as Kubernetes replaces it: by the link of a link', () => {
  for (const [version, text] of Object.entries({ v1: 'one', v2: 'two' })) {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, 'f'), text);
  }
  symlinkSync('v1', join(directory, '..data'));
  symlinkSync('..data/f', join(directory, 'f'));
  const followed = follow('f');
  expect(later(followed)).toBe('one');
  symlinkSync('v2', join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
  expect(later(followed)).toBe('two');
});

test('a bad file gives one line, and the good content stays', () => {
  writeFileSync(join(directory, 'f'), 'one');
  const followed = follow('f');
  writeFileSync(followed.file, 'bad');
  for (let n = 0; n < 5; n++) expect(later(followed)).toBe('one');
  expect(followed.said).toEqual(['no good: bad']);
  rmSync(followed.file);
  for (let n = 0; n < 5; n++) expect(later(followed)).toBe('one');
  expect(followed.said).toHaveLength(2);
  writeFileSync(followed.file, 'two');
  expect(later(followed)).toBe('two');
  writeFileSync(followed.file, 'bad');
  expect(later(followed)).toBe('two');
  expect(followed.said.slice(2)).toEqual(['taken two', 'no good: bad']);
});

test('a file that is bad from the start throws', () => {
  expect(() => follow('none')).toThrow('ENOENT');
  writeFileSync(join(directory, 'f'), 'bad');
  expect(() => follow('f')).toThrow('no good');
});
