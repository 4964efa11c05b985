import { EventEmitter } from 'node:events';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { decodeEntry, type Entry, encodeEntry } from '../../../../src/registry/entry.ts';
import { FileWatch } from '../../../../src/registry/file/watch.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { useChildren } from '../../../support/process/use-children.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { pause } from '../../../support/until.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

/** What the operating system says when a directory is to be watched. */
type Watch = (path: string, options: object, onEvent: () => void) => unknown;
const events = vi.hoisted(() => ({ watch: (() => undefined) as Watch }));
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  watch: (...args: Parameters<Watch>) => events.watch(...args),
}));

/** Events that never come. */
const quiet = (): unknown => Object.assign(new EventEmitter(), { close: () => {} });

const LOOK_MS = 80;

/** Longer than the grain of a time stamp: real time, as time stamps of files have it. In milliseconds. */
const GRAIN_MS = 30;

let directory: string;
let clock: SimulatedClock;
let entries: readonly Entry[];
let readings: number;
let failures: string[];
let lists: (readonly Instance[])[];
const children = useChildren();

beforeEach(() => {
  directory = join(useScratchFolder(), 'service');
  // Time stamps of files are real ones.
  clock = new SimulatedClock(Date.now);
  entries = [];
  readings = 0;
  failures = [];
  lists = [];
});
// A watch does not keep the process alive.
afterEach(() => expect(clock.held).toBe(0));

/** Starts a watch whose list is `entries`. */
function begin(): AbortController {
  const ending = new AbortController();
  const watch = new FileWatch({
    directory,
    clock,
    read: () => {
      readings++;
      return entries;
    },
    listener: (list) => void lists.push(list),
    onFailure: ({ message }) => void failures.push(message),
  });
  watch.start(ending.signal);
  return ending;
}

function entry(fields: Partial<Entry> = {}): Entry {
  return { ...decodeEntry(encodeEntry(anInstance())), ...fields };
}

/** Something changes in the directory, after its last time stamp. */
async function change(to: readonly Entry[]): Promise<void> {
  await pause(GRAIN_MS);
  entries = to;
  writeFileSync(join(directory, `${Math.random()}`), '');
}

const listed = (...some: readonly Entry[]): readonly Instance[] => some.map(({ instance }) => instance);

test.each([
  [
    'there are none to be had',
    () => {
      throw new Error('EMFILE');
    },
  ],
  ['they are lost', quiet],
])('without events, because %s, one look (80 ms) shows a change', async (_, watchEvents) => {
  events.watch = watchEvents;
  mkdirSync(directory);
  const [one, two] = [entry(), entry()];
  entries = [one];
  const watch = begin();
  await change([one, two]);
  clock.pass(LOOK_MS);
  expect(lists).toEqual([listed(one), listed(one, two)]);
  watch.abort();
});

test('failing events do not fail the watch', () => {
  const broken = Object.assign(new EventEmitter(), { close: () => {} });
  events.watch = () => broken;
  mkdirSync(directory);
  const watch = begin();
  expect(() => broken.emit('error', new Error('ENOSPC'))).not.toThrow();
  watch.abort();
});

test('a directory that is made later is seen; one without change is not read again for a second', async () => {
  events.watch = quiet;
  const watch = begin();
  expect(lists).toEqual([[]]);
  const one = entry();
  mkdirSync(directory);
  await change([one]);
  for (let i = 0; i < 3; i++) clock.pass(LOOK_MS);
  await pause(GRAIN_MS);
  clock.pass(LOOK_MS);
  expect(lists).toEqual([[], listed(one)]);
  const before = readings;
  // The last reading was within the last look.
  clock.pass(1_000 - LOOK_MS);
  expect(readings).toBe(before);
  clock.pass(2 * LOOK_MS);
  expect(readings).toBe(before + 1);
  watch.abort();
});

// The time stamp is a real one, so a machine that stands still for 20 ms here gets another try.
test('a change within the grain of a time stamp is seen 20 ms later', { retry: 3 }, () => {
  entries = [];
  lists.length = 0;
  events.watch = quiet;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  const one = entry();
  const watch = begin();
  entries = [one];
  clock.pass(20);
  expect(lists).toEqual([[], listed(one)]);
  watch.abort();
});

test('an event is looked after within 10 ms, many events by one reading', async () => {
  const told: (() => void)[] = [];
  events.watch = (_, __, onEvent) => {
    told.push(onEvent);
    return quiet();
  };
  mkdirSync(directory);
  const one = entry();
  await pause(GRAIN_MS);
  const watch = begin();
  const before = readings;
  await change([one]);
  for (let i = 0; i < 50; i++) told[0]?.();
  clock.pass(10);
  expect(readings).toBe(before + 1);
  expect(lists).toEqual([[], listed(one)]);
  await pause(GRAIN_MS);
  clock.pass(20);
  entries = [];
  told[0]?.();
  clock.pass(10);
  expect(lists, 'a change inside a file, which leaves the directory as it is').toEqual([[], listed(one), []]);
  watch.abort();
});

test('a removed directory is a failure: the last list stays, the dead leave it, one line tells', async () => {
  events.watch = quiet;
  mkdirSync(directory);
  const child = children.run('sleep', ['60']);
  const [here, there] = [entry(), entry({ pid: child.pid, started: 0 })];
  entries = [here, there];
  const watch = begin();
  rmSync(directory, { recursive: true });
  entries = [];
  for (let i = 0; i < 30; i++) clock.pass(LOOK_MS);
  expect(lists).toEqual([listed(here, there)]);
  expect(failures).toEqual(['the directory was removed']);
  child.signal('SIGKILL');
  await child.ends();
  clock.pass(LOOK_MS);
  expect(lists.slice(1)).toEqual([listed(here)]);
  mkdirSync(directory);
  const again = entry();
  entries = [again];
  clock.pass(LOOK_MS);
  expect(lists.slice(2)).toEqual([listed(again)]);
  renameSync(directory, `${directory}-2`);
  clock.pass(LOOK_MS);
  expect(failures).toHaveLength(2);
  watch.abort();
});

test('a directory that is unreadable at first throws, and leaves nothing running', () => {
  events.watch = quiet;
  mkdirSync(directory);
  const failing = new FileWatch({
    directory,
    clock,
    read: () => {
      throw new Error('EACCES');
    },
    listener: () => {},
    onFailure: () => {},
  });
  expect(() => failing.start(new AbortController().signal)).toThrow('EACCES');
  expect(clock.pending).toBe(0);
});

test('of many processes each dead one is seen: a killed one at once, a re-used id within as many looks as it takes', async () => {
  events.watch = quiet;
  mkdirSync(directory);
  const child = children.run('sleep', ['60']);
  const living = Array.from({ length: 60 }, () => entry());
  const killed = entry({ pid: child.pid, started: 0 });
  const all = [...living, killed];
  entries = all;
  await pause(GRAIN_MS);
  const watch = begin();
  const before = readings;
  child.signal('SIGKILL');
  await child.ends();
  clock.pass(LOOK_MS);
  expect(readings).toBe(before + 1);
  const reused = { ...(living[30] as Entry), started: 1 };
  entries = living.map((some) => (some === living[30] ? reused : some));
  clock.stall(1_000);
  clock.pass(0);
  const known = readings;
  let looks = 0;
  while (readings === known && looks < 10) {
    clock.pass(LOOK_MS);
    looks++;
  }
  expect(looks).toBeLessThanOrEqual(Math.ceil(60 / 16));
  watch.abort();
});

test('a stopped watch has no timer left and delivers nothing', async () => {
  const close = vi.fn();
  events.watch = () => Object.assign(new EventEmitter(), { close });
  mkdirSync(directory);
  const watch = begin();
  watch.abort();
  expect(clock.pending).toBe(0);
  expect(close).toHaveBeenCalledOnce();
  await change([entry()]);
  clock.pass(LOOK_MS);
  expect(lists).toEqual([[]]);
});
