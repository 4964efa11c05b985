import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/lifecycle/clock.ts';
import { Spool } from '../../../src/trace/spool.ts';
import { targetLabel } from '../../../src/trace/target-label.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const TARGET = 'a';

const BODY = '{"resourceSpans":[]}';

/** An hour later, when an unfinished file is stale. */
const later: Clock = { ...systemClock, wall: () => Date.now() + 3_600_000 };

let directory: string;
beforeEach(() => {
  directory = useScratchFolder();
});

const at = (name: string): string => join(directory, name);

/** Takes all that waits and delivers it. */
async function takeAll(clock: Clock = systemClock) {
  const said: string[] = [];
  const bodies: string[] = [];
  const spool = new Spool({ directory, target: TARGET, clock, log: (_, message) => said.push(message) });
  for await (const claim of spool.claims()) {
    bodies.push(claim.body);
    await claim.done();
  }
  return { said, bodies, left: readdirSync(directory).sort(), usage: await spool.usage() };
}

test('a disk that is full leaves no part of a file', () => {
  const source = (name: string) => JSON.stringify(new URL(`../../../src/${name}`, import.meta.url).href);
  const program = `
    import { systemClock } from ${source('lifecycle/clock.ts')};
    import { Spool } from ${source('trace/spool.ts')};
    try {
      new Spool({ directory: ${JSON.stringify(directory)}, target: 'a', clock: systemClock, log: () => {} }).putNow('x'.repeat(50_000));
    } catch ({ code }) {
      console.log(code);
    }`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  // A limit on the length of files ends a writing midway, as a full disk does.
  expect(execFileSync('sh', ['-c', 'ulimit -f 8 && exec "$@"', 'sh', ...node], { encoding: 'utf8' })).toBe('EFBIG\n');
  expect(readdirSync(directory)).toEqual([]);
});

test('the usage is measured once a second at most', async () => {
  const clock = new SimulatedClock();
  const spool = new Spool({ directory, target: TARGET, clock, log: () => {} });
  spool.putNow(BODY);
  expect(await spool.usage()).toEqual({ files: 1, bytes: BODY.length });
  spool.putNow(BODY);
  expect(await spool.usage()).toMatchObject({ files: 1 });
  clock.stall(1_000);
  expect(await spool.usage()).toMatchObject({ files: 2 });
});

test('a file system without sync loses no spans', async () => {
  const file = await open(at('probe'), 'w');
  const prototype = Object.getPrototypeOf(file) as typeof file;
  await file.close();
  rmSync(at('probe'));
  const sync = vi.spyOn(prototype, 'sync').mockRejectedValue(new Error('Method not implemented.'));
  try {
    await new Spool({ directory, target: TARGET, clock: systemClock, log: () => {} }).put(BODY);
    expect(sync).toHaveBeenCalledOnce();
  } finally {
    sync.mockRestore();
  }
  expect((await takeAll()).bodies).toEqual([BODY]);
});

test('files for another collector stay, and are reported', async () => {
  const of = (target: string) => new Spool({ directory, target, clock: systemClock, log: () => {} });
  of('tenant-b').putNow(BODY);
  await of('tenant-b').put(BODY);
  const ours = of(TARGET);
  expect(await ours.claims().next()).toEqual({ done: true, value: undefined });
  expect(await ours.size()).toBe(0);
  expect(await ours.others()).toEqual({ 'tenant-b': 2 });
  expect(await ours.usage()).toMatchObject({ files: 2 });
  expect((await ours.claims(true).next()).value).toMatchObject({ body: BODY });
});

test('a label tells targets apart and holds no credential', () => {
  const endpoint = new URL('http://user:hunter2@otel:4318/v1/traces');
  const headers = { authorization: 'Bearer sesame' };
  const label = targetLabel({ endpoint, headers });
  expect(label).toMatch(/^otel_4318-[0-9a-f]{12}$/);
  expect(targetLabel({ endpoint, headers: { Authorization: 'Bearer sesame' } })).toBe(label);
  expect(targetLabel({ endpoint, headers: { authorization: 'Bearer other' } })).not.toBe(label);
  expect(targetLabel({ endpoint: new URL('http://otel:4318/b/v1/traces'), headers })).not.toBe(label);
});

test('the log does not claim to have set a file aside that it could not rename', async () => {
  writeFileSync(at('1-a.json'), BODY);
  const said: string[] = [];
  const spool = new Spool({ directory, target: TARGET, clock: systemClock, log: (_, message) => said.push(message) });
  for await (const claim of spool.claims()) {
    rmSync(at('1-a.json.sending'));
    await claim.setAside('nobody wants it');
  }
  expect(said).toEqual([expect.stringMatching(/cannot be set aside \(ENOENT.*: nobody wants it/)]);
});

describe('files of dead processes', () => {
  test('a claimed file is counted, and given back once it is stale', async () => {
    writeFileSync(at('1-a.json.sending'), BODY);
    expect(await takeAll()).toMatchObject({ bodies: [], usage: { files: 1, bytes: BODY.length } });
    expect(await takeAll(later)).toMatchObject({ bodies: [BODY], left: [] });
  });

  test('a stale unfinished file is removed; other hidden files stay', async () => {
    for (const name of ['.1790000000000-1-0123abcd', '.other', '.1-0123456789ab']) writeFileSync(at(name), 'x');
    expect((await takeAll()).left).toHaveLength(3);
    expect((await takeAll(later)).left).toEqual(['.1-0123456789ab', '.other']);
  });

  test('sending enforces the bound, which spooling at an exit does not', async () => {
    const spool = new Spool({ directory, target: TARGET, clock: systemClock, log: () => {} });
    for (let exits = 0; exits < 1_100; exits++) spool.putNow(BODY);
    const { bodies, said } = await takeAll();
    expect(bodies).toHaveLength(1_000);
    expect(said[0]).toMatch('the plugin removed its 100 oldest files');
  });
});

describe('a foreign file is set aside, never waited for nor followed', () => {
  test.each([
    ['a pipe', () => execFileSync('mkfifo', [at('1-a.json')]), 'is not a plain file'],
    ['a link', () => symlinkSync('/etc/hostname', at('1-a.json')), 'ELOOP'],
    ['half a file', () => writeFileSync(at('1-a.json'), BODY.slice(0, -1)), 'it is not OTLP JSON'],
    ['JSON of another form', () => writeFileSync(at('1-a.json'), 'null'), 'it is not OTLP JSON'],
  ])('for example %s', async (_, make, why) => {
    make();
    writeFileSync(at('2-b.json'), BODY);
    const { bodies, said, left } = await takeAll();
    expect({ bodies, left }).toEqual({ bodies: [BODY], left: ['1-a.json.corrupt'] });
    expect(said).toEqual([expect.stringContaining(why)]);
  });
});

test.runIf(process.geteuid?.() === 0)('a file that cannot be read now stays, and the others are sent', async () => {
  for (const name of ['1-a.json', '2-b.json']) writeFileSync(at(name), BODY);
  chmodSync(at('1-a.json'), 0o000);
  chownSync(directory, 54_321, 54_321);
  chownSync(at('2-b.json'), 54_321, 54_321);
  process.seteuid?.(54_321);
  try {
    expect(await takeAll()).toMatchObject({
      bodies: [BODY],
      left: ['1-a.json'],
      said: [expect.stringContaining('the plugin cannot read 1 spooled files: EACCES')],
    });
  } finally {
    process.seteuid?.(0);
  }
});
