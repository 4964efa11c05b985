import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { Journal, type Work } from '../../../src/lifecycle/journal.ts';
import { startedAt } from '../../../src/process/started-at.ts';
import { thisProcess } from '../../../src/trace/deaths.ts';
import { type LastWill, readLastWill } from '../../../src/trace/last-will.ts';
import { ATTR } from '../../../src/trace/model/schema.ts';
import { Spool } from '../../../src/trace/spool.ts';
import { WillKeeper } from '../../../src/trace/will-keeper.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';
import { until } from '../../support/until.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const GRACE_MS = 30_000;

let directory: string;
beforeEach(() => {
  directory = useScratchFolder();
});

const wills = (): readonly string[] => readdirSync(directory).filter((name) => name.endsWith('.leaving'));
const pathOf = (name = wills()[0] ?? ''): string => join(directory, name);
const read = (): LastWill => readLastWill(readFileSync(pathOf(), 'utf8'));
const lastSign = (): number => lstatSync(pathOf()).mtimeMs;

/** A process that begins to leave. */
function leaving(clock = new SimulatedClock()) {
  const spool = new Spool({ directory, target: 'a', clock, log: () => {} });
  const keeper = new WillKeeper({
    spool,
    clock,
    identity: () => ({ service: 'orders', instanceId: 'orders-1', generation: 7 }),
    resource: { 'deployment.environment.name': 'test' },
  });
  const journal = new Journal(clock);
  journal.subscribe((record) => keeper.take(record));
  const links = [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }];
  const root = journal.start('offline', { links, facts: { trigger: 'SIGTERM', gracePeriodMs: GRACE_MS } });
  const phase = <W extends 'notify' | 'drain'>(work: W): Work<W> => journal.start(work, { parent: root.ids });
  return { clock, journal, keeper, phase, root, start: clock.wall() };
}

/** The roots that a process sends which finds the wills. */
async function replayed(clock = systemClock, spool = new Spool({ directory, target: 'a', clock, log: () => {} })) {
  const spans = [];
  for await (const claim of spool.claims()) {
    spans.push(
      ...decodeOtlp(claim.body).groups.flatMap((group) =>
        group.spans.map((span) => ({ ...span, origin: group.origin })),
      ),
    );
    await claim.done();
  }
  return spans;
}

const given = (
  span: { readonly attributes: readonly { readonly key: string; readonly value: object }[] },
  key: string,
) => Object.values(span.attributes.find((attribute) => attribute.key === key)?.value ?? {})[0];

/** The id of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
}

/** The will that is there, as one of another owner. */
function owned(owner: Partial<LastWill['owner']>): void {
  const { atimeMs, mtimeMs } = lstatSync(pathOf());
  writeFileSync(pathOf(), JSON.stringify({ ...read(), owner: { ...read().owner, ...owner } }));
  utimesSync(pathOf(), atimeMs / 1_000, mtimeMs / 1_000);
}

describe('while a process leaves', () => {
  test('its will holds the content of the root: ids, links, identity, and the facts so far', async () => {
    const { clock, phase, root, start } = leaving();
    await until(() => wills().length === 1);
    expect(lstatSync(pathOf()).mode & 0o777).toBe(0o600);
    expect(read()).toMatchObject({
      ids: root.ids,
      start,
      gracePeriodMs: GRACE_MS,
      during: 'notify',
      owner: { pid: process.pid },
    });
    clock.stall(40);
    phase('notify').end({ planned: 3, acked: 2 });
    phase('notify').end({ planned: 1, acked: 1 });
    phase('drain');
    await until(() => read().during === 'drain');
    expect(read().attributes).toMatchObject({
      [ATTR.service]: 'orders',
      [ATTR.trigger]: 'SIGTERM',
      [ATTR.fanoutPlanned]: 4,
      [ATTR.fanoutAcked]: 3,
    });
    await until(() => lastSign() === start + 40);
  });

  test('a sign of life comes every second, by the monotonic clock', async () => {
    const { clock, start } = leaving();
    await until(() => wills().length === 1);
    clock.stepWall(-3_600_000);
    await clock.advance(5_000);
    await until(() => lastSign() === start + 5_000);
    clock.stepWall(86_400_000);
    await clock.advance(1_000);
    await until(() => lastSign() === start + 6_000);
  });

  test('no other process reports it as dead, however old its file looks', async () => {
    leaving();
    await until(() => wills().length === 1);
    utimesSync(pathOf(), 1, 1);
    const clock = { ...systemClock, wall: () => Date.now() + 86_400_000, now: () => performance.now() * 1_000 };
    const spool = new Spool({ directory, target: 'a', clock, log: () => {} });
    for (let look = 0; look < 3; look++) expect(await replayed(clock, spool)).toEqual([]);
    expect(wills()).toHaveLength(1);
  });

  test('its will goes when the root is handed over, and not before the root has ended', async () => {
    const { keeper, root } = leaving();
    await until(() => wills().length === 1);
    await keeper.drop();
    expect(wills()).toHaveLength(1);
    root.end();
    await keeper.drop();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('it ends by itself: an ended shutdown needs no will, another one lived until then', async () => {
    const { clock, keeper, root, start } = leaving();
    await until(() => wills().length === 1);
    clock.stall(700);
    keeper.closeNow();
    expect(lastSign()).toBe(start + 700);
    root.end();
    keeper.closeNow();
    await until(() => wills().length === 0);
  });

  test('an unusable spool does no harm', async () => {
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'a file');
    const { keeper, phase, root } = leaving();
    phase('notify').end();
    root.end();
    keeper.closeNow();
    await keeper.drop();
  });
});

describe('when it is dead', () => {
  test('exactly one of many observers sends one root with the result killed', async () => {
    const { clock, phase, root, start } = leaving();
    phase('notify').end({ planned: 3, acked: 2 });
    phase('drain');
    await clock.advance(2_000);
    await until(() => lastSign() === start + 2_000);
    owned({ pid: await deadPid() });
    const found = (await Promise.all([replayed(), replayed(), replayed(), replayed()])).flat();
    expect(found).toHaveLength(1);
    const [span] = found as [(typeof found)[0]];
    expect(span).toMatchObject({
      ...root.ids,
      parentSpanId: '',
      name: 'lossless.offline',
      startTimeUnixNano: `${start}000000`,
      endTimeUnixNano: `${start + 2_000}000000`,
      links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }],
      status: {
        code: 2,
        message: 'the process was killed while it drained; its last sign of life came 2.00 s after it began to leave',
      },
      origin: { service: 'orders' },
    });
    expect(given(span, ATTR.offlineResult)).toBe('killed');
    expect(given(span, ATTR.errorType)).toBe('killed');
    expect(given(span, ATTR.fanoutAcked)).toBe('2');
    expect(given(span, ATTR.instanceId)).toBe('orders-1');
    expect(await replayed()).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('its root never ends after the grace period, nor before the shutdown began', async () => {
    const { start } = leaving();
    await until(() => wills().length === 1);
    owned({ pid: await deadPid() });
    utimesSync(pathOf(), (start + 90_000) / 1_000, (start + 90_000) / 1_000);
    expect(await replayed()).toMatchObject([{ endTimeUnixNano: `${start + GRACE_MS}000000` }]);
    leaving();
    await until(() => wills().length === 1);
    owned({ pid: await deadPid() });
    utimesSync(pathOf(), 1, 1);
    const [span] = await replayed();
    expect(span?.endTimeUnixNano).toBe(span?.startTimeUnixNano);
  });

  test('a later process with the same id does not count as this process', async () => {
    leaving();
    await until(() => wills().length === 1);
    owned({ started: (startedAt(process.pid) ?? 0) - 1 });
    expect(await replayed()).toHaveLength(1);
  });

  test('a will that cannot be read is set aside', async () => {
    writeFileSync(join(directory, `1-2-0123abcd.a.leaving`), '{"owner":');
    expect(await replayed()).toEqual([]);
    expect(readdirSync(directory)).toEqual(['1-2-0123abcd.a.leaving.corrupt']);
  });

  test('what waits for another collector is left to it', async () => {
    leaving();
    await until(() => wills().length === 1);
    owned({ pid: await deadPid() });
    const other = new Spool({ directory, target: 'b', clock: systemClock, log: () => {} });
    expect(await replayed(systemClock, other)).toEqual([]);
    expect(wills()).toHaveLength(1);
  });
});

describe('a process of another container', () => {
  /** An observer that looks from time to time, with a simulated clock that begins when the will was written. */
  async function watcher() {
    leaving();
    await until(() => wills().length === 1);
    owned({ space: 'elsewhere' });
    const clock = new SimulatedClock();
    clock.stepWall(Date.now() - clock.wall());
    const spool = new Spool({ directory, target: 'a', clock, log: () => {} });
    return { clock, spool, look: () => replayed(clock, spool) };
  }

  test('is dead when its file is old and stands still', async () => {
    const { clock, spool, look } = await watcher();
    expect(await look()).toEqual([]);
    expect(spool.unsure).toBe(1);
    expect(await spool.size()).toBe(1);
    clock.stall(GRACE_MS);
    expect(await look()).toEqual([]);
    clock.stall(10_100);
    expect(await look()).toHaveLength(1);
    expect(await spool.size()).toBe(0);
  });

  test('is not dead because a clock was set', async () => {
    const { clock, look } = await watcher();
    clock.stepWall(86_400_000);
    expect(await look()).toEqual([]);
    clock.stall(2_900);
    expect(await look()).toEqual([]);
  });

  test('is alive while its file is touched', async () => {
    const { clock, look } = await watcher();
    clock.stepWall(86_400_000);
    for (let touched = 0; touched < 5; touched++) {
      expect(await look()).toEqual([]);
      clock.stall(5_000);
      chmodSync(pathOf(), 0o600); // As any touch, it sets the change time.
    }
  });
});

test('this process is known by more than its id', () => {
  expect(thisProcess()).toEqual({
    pid: process.pid,
    started: startedAt(process.pid),
    space: expect.stringMatching(/./),
  });
});
