import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Journal } from '../../../../src/lifecycle/journal.ts';
import { Machine } from '../../../../src/lifecycle/machine.ts';
import { StatusFile } from '../../../../src/provider/entry/status-file.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

describe('the status file', () => {
  let folder: string;
  let lines: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lossless-status-'));
    lines = [];
  });
  afterEach(() => {
    chmodSync(folder, 0o755);
    rmSync(folder, { recursive: true });
  });

  const statusFile = (path: string): { file: StatusFile; journal: Journal; machine: Machine } => {
    const clock = new SimulatedClock();
    const journal = new Journal(clock);
    const file = new StatusFile(path, (level, message, { code } = {}) => lines.push(`${level} ${code} ${message}`));
    journal.subscribe(file.sink);
    return { file, journal, machine: new Machine(journal, clock) };
  };

  test('is there from ready until an offline begins, and again after an undo', () => {
    const path = join(folder, 'ready');
    const { journal, machine } = statusFile(path);
    machine.move('listening');
    expect(existsSync(path)).toBe(false);
    journal.start('ready').end();
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    machine.move('offline');
    expect(existsSync(path)).toBe(false);
    machine.move('online');
    expect(existsSync(path)).toBe(false);
    journal.start('ready').end();
    expect(existsSync(path)).toBe(true);
    expect(lines).toEqual([]);
  });

  test('the next start removes the file of a killed process', () => {
    const path = join(folder, 'ready');
    writeFileSync(path, '1\n');
    statusFile(path).file.clear();
    expect(existsSync(path)).toBe(false);
  });

  test('a link is neither followed nor removed, and a directory is left', () => {
    const target = join(folder, 'precious');
    writeFileSync(target, 'precious');
    const link = join(folder, 'link');
    symlinkSync(target, link);
    const { file, journal } = statusFile(link);
    file.clear();
    journal.start('ready').end();
    expect(readFileSync(target, 'utf8')).toBe('precious');
    expect(existsSync(link)).toBe(true);
    const directory = join(folder, 'directory');
    mkdirSync(directory);
    statusFile(directory).file.clear();
    expect(existsSync(directory)).toBe(true);
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^error LOSSLESS_STATUS_FILE .* Name a plain file in a directory/);
  });

  test('a missing directory gives one line each time, and no more', () => {
    const { file, journal, machine } = statusFile(join(folder, 'none', 'ready'));
    file.clear();
    machine.move('listening');
    journal.start('ready').end();
    machine.move('offline');
    expect(lines).toEqual([expect.stringContaining('cannot be written')]);
  });
});
