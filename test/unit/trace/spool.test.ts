import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/lifecycle/clock.ts';
import { Spool } from '../../../src/trace/spool.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const BODY = '{"resourceSpans":[]}';

/** An hour later: what was begun is stale. */
const later: Clock = { ...systemClock, wall: () => Date.now() + 3_600_000 };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lossless-spool-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (name: string): string => join(directory, name);

/** Takes all that waits and delivers it. */
async function takeAll(clock: Clock = systemClock) {
  const said: string[] = [];
  const bodies: string[] = [];
  const spool = new Spool(directory, clock, (_, message) => said.push(message));
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
      new Spool(${JSON.stringify(directory)}, systemClock, () => {}).putNow('x'.repeat(50_000));
    } catch ({ code }) {
      console.log(code);
    }`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  // A limit on the length of files ends a writing midway, as a full disk does.
  expect(execFileSync('sh', ['-c', 'ulimit -f 8 && exec "$@"', 'sh', ...node], { encoding: 'utf8' })).toBe('EFBIG\n');
  expect(readdirSync(directory)).toEqual([]);
});

test('how much waits is looked at once a second at most', async () => {
  const clock = new SimulatedClock();
  const spool = new Spool(directory, clock, () => {});
  spool.putNow(BODY);
  expect(await spool.usage()).toEqual({ files: 1, bytes: BODY.length });
  spool.putNow(BODY);
  expect(await spool.usage()).toMatchObject({ files: 1 });
  clock.stall(1_000);
  expect(await spool.usage()).toMatchObject({ files: 2 });
});

describe('what processes that died have left', () => {
  test('what one had claimed is counted, and given back once it is stale', async () => {
    writeFileSync(at('1-a.json.sending'), BODY);
    expect(await takeAll()).toMatchObject({ bodies: [], usage: { files: 1, bytes: BODY.length } });
    expect(await takeAll(later)).toMatchObject({ bodies: [BODY], left: [] });
  });

  test('what one had begun is removed once it is stale; other hidden files are not ours', async () => {
    for (const name of ['.1790000000000-1-0123abcd', '.other', '.1-0123456789ab']) writeFileSync(at(name), 'x');
    expect((await takeAll()).left).toHaveLength(3);
    expect((await takeAll(later)).left).toEqual(['.1-0123456789ab', '.other']);
  });

  test('who sends keeps the bound, which those do not that spool at their exit', async () => {
    const spool = new Spool(directory, systemClock, () => {});
    for (let exits = 0; exits < 1_100; exits++) spool.putNow(BODY);
    const { bodies, said } = await takeAll();
    expect(bodies).toHaveLength(1_000);
    expect(said[0]).toMatch('100 of its oldest files were removed');
  });
});

describe('what is no file of a spool is set aside, never waited for nor followed', () => {
  test.each([
    ['a pipe', () => execFileSync('mkfifo', [at('1-a.json')]), 'it is not a plain file'],
    ['a link', () => symlinkSync('/etc/hostname', at('1-a.json')), 'ELOOP'],
    ['half of one', () => writeFileSync(at('1-a.json'), BODY.slice(0, -1)), 'it is not OTLP JSON'],
    ['something else', () => writeFileSync(at('1-a.json'), 'null'), 'it is not OTLP JSON'],
  ])('%s', async (_, make, why) => {
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
      said: [expect.stringContaining('1 spooled files cannot be read: EACCES')],
    });
  } finally {
    process.seteuid?.(0);
  }
});
