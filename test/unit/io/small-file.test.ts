import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { namesIn, readLinked, readSmall, readStart, writerOf, writeSmall } from '../../../src/io/small-file.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

let directory: string;
const at = (name: string): string => join(directory, name);
beforeEach(() => {
  directory = useScratchFolder();
});

test('a written file is read back, and replaced as a whole', async () => {
  await writeSmall(at('a'), 'one');
  await writeSmall(at('a'), 'zwei ☃');
  expect(readSmall(at('a'), 100)).toBe('zwei ☃');
  expect(readdirSync(directory)).toEqual(['a']);
});

test('a file may have the limit and no byte more', () => {
  writeFileSync(at('a'), 'x'.repeat(100));
  expect(readSmall(at('a'), 100)).toHaveLength(100);
  expect(() => readSmall(at('a'), 99)).toThrow('more than 99 bytes');
  expect(() => readSmall('/dev/zero', 99)).toThrow();
});

test('a missing file is undefined; a directory, a link and a pipe are refused at once', () => {
  expect(readSmall(at('none'), 100)).toBeUndefined();
  mkdirSync(at('directory'));
  writeFileSync(at('target'), 'text');
  symlinkSync(at('target'), at('link'));
  execFileSync('mkfifo', [at('pipe')]);
  for (const name of ['directory', 'link', 'pipe']) expect(() => readSmall(at(name), 100), name).toThrow();
});

test('a followed link must lead to an existing plain file of at most 1 MiB', () => {
  mkdirSync(at('directory'));
  writeFileSync(at('target'), 'text');
  writeFileSync(at('long'), 'x'.repeat(1_024 * 1_024 + 1));
  execFileSync('mkfifo', [at('pipe')]);
  for (const name of ['directory', 'target', 'long', 'pipe', 'none']) symlinkSync(at(name), at(`${name}-link`));
  expect(readLinked(at('target-link'))).toBe('text');
  expect(() => readLinked(at('long-link'))).toThrow('more than 1048576 bytes');
  for (const name of ['directory', 'pipe']) expect(() => readLinked(at(`${name}-link`))).toThrow('not a plain file');
  expect(() => readLinked(at('none-link'))).toThrow('ENOENT');
});

test('the start of a file of the system, which tells no size', () => {
  expect(readStart('/dev/zero', 4)).toBe('\0\0\0\0');
  expect(() => readStart(at('none'), 4)).toThrow('ENOENT');
});

test('a failed write leaves nothing behind and keeps the old file', async () => {
  mkdirSync(at('occupied'));
  writeFileSync(at('occupied/x'), '');
  await expect(writeSmall(at('occupied'), 'text')).rejects.toThrow();
  expect(readdirSync(directory)).toEqual(['occupied']);
  await expect(writeSmall(at('none/file'), 'text')).rejects.toThrow('ENOENT');
});

test('the names of a directory, bounded; a file that is being written names its writer', () => {
  for (let i = 0; i < 10; i++) writeFileSync(at(`${i}`), '');
  expect([...namesIn(directory, 100)].sort()).toHaveLength(10);
  expect(namesIn(directory, 4)).toHaveLength(4);
  expect(namesIn(at('none'), 4)).toEqual([]);
  expect(() => namesIn(at('1'), 4)).toThrow('ENOTDIR');
  expect(writerOf('.123-0123456789ab')).toBe(123);
  for (const name of ['123-0123456789ab', '.123-0123456789ag', '.-0123456789ab', 'x.json', '.json'])
    expect(writerOf(name)).toBeUndefined();
  expect(readFileSync(at('1'), 'utf8')).toBe('');
});
