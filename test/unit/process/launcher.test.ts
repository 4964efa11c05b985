import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { killTimeout, signalUnseen } from '../../../src/process/launcher.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

describe('killTimeout', () => {
  test.each([
    ['no PM2', {}, undefined],
    ['kill_timeout but no PM2', { kill_timeout: '5000' }, undefined],
    ['PM2 and its default', { pm_id: '0' }, 1_600],
    ['PM2 and a configured time-out', { pm_id: '0', kill_timeout: '5000' }, 5_000],
    ['PM2 and text', { pm_id: '0', kill_timeout: 'soon' }, 1_600],
    ['PM2 and zero', { pm_id: '0', kill_timeout: '0' }, 1_600],
    ['PM2 and a negative number', { pm_id: '0', kill_timeout: '-1' }, 1_600],
    ['PM2 and a huge number', { pm_id: '0', kill_timeout: '9'.repeat(400) }, 1_600],
  ])('with %s', (_, environment, expected) => {
    expect(killTimeout({ pm_id: undefined, kill_timeout: undefined, ...environment })).toBe(expected);
  });
});

describe('signalUnseen', () => {
  let proc: string;
  beforeEach(() => {
    proc = useScratchFolder();
  });

  const running = (pid: number, ppid: number, name: string, ...command: string[]): void => {
    mkdirSync(join(proc, String(pid)));
    writeFileSync(join(proc, String(pid), 'cmdline'), `${command.join('\0')}\0`);
    writeFileSync(join(proc, String(pid), 'stat'), `${pid} (${name}) S ${ppid} 1 1 0 -1`);
  };

  test.each([
    ['npm', ['npm start'], 'npm start', 'sh', 'npm through a shell'],
    [
      'npm, title not set',
      ['node', '/usr/lib/node_modules/npm/bin/npm-cli.js', 'start'],
      'node',
      'dash',
      'npm-cli through a shell',
    ],
    ['pnpm', ['node', '/usr/bin/pnpm.cjs', 'start'], 'MainThread', 'sh', 'pnpm through a shell'],
    ['yarn', ['/usr/bin/node', '/usr/share/yarn/bin/yarn.js', 'start'], 'node', 'ash', 'yarn through a shell'],
  ])('%s, and a shell that stays', (_, command, name, shell, said) => {
    running(10, 1, name, ...command);
    running(11, 10, shell, shell, '-c', 'PORT=1 node server.js');
    expect(signalUnseen(proc, 11)).toContain(said);
    expect(signalUnseen(proc, 11)).toContain('exec node');
  });

  test('node --run, with and without a shell that stays', () => {
    running(10, 1, 'node', 'node', '--run', 'start');
    running(11, 10, 'sh', '/bin/sh', '-c', 'node server.js');
    expect(signalUnseen(proc, 10)).toContain('node --run');
    expect(signalUnseen(proc, 11)).toContain('node --run');
  });

  test('the shell form of CMD: the shell is PID 1', () => {
    running(1, 0, 'sh', '/bin/sh', '-c', 'node server.js');
    expect(signalUnseen(proc, 1)).toContain('PID 1');
  });

  test.each([
    ['npm, whose shell has replaced itself', 10],
    ['an interactive shell', 12],
    ['a shell of another program', 14],
    ['PM2', 15],
    ['no process, as PID 1', 0],
  ])('silent when started by %s', (_, ppid) => {
    running(10, 1, 'npm start', 'npm start');
    running(12, 10, 'bash', '-bash');
    running(13, 1, 'cron', '/usr/sbin/cron', '-f');
    running(14, 13, 'sh', '/bin/sh', '-c', 'node server.js');
    running(15, 1, 'PM2 v7 (God) 0', 'PM2 v7.0.4: God Daemon (/root/.pm2)');
    expect(signalUnseen(proc, ppid)).toBeUndefined();
  });

  test('a name with parentheses and blanks is one name', () => {
    running(10, 1, 'npm) S 7 (x', 'npm start');
    running(11, 10, 'sh', 'sh', '-c', 'node server.js');
    expect(signalUnseen(proc, 11)).toContain('npm through a shell');
  });

  test('unreadable files give no warning', () => {
    running(10, 1, 'npm start', 'npm start');
    running(11, 99, 'sh', 'sh', '-c', 'node server.js');
    mkdirSync(join(proc, '12'));
    expect(signalUnseen(proc, 11)).toBeUndefined();
    expect(signalUnseen(proc, 12)).toBeUndefined();
    expect(signalUnseen('/nowhere', 11)).toBeUndefined();
  });
});
