import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hex, sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import type { Child } from '../support/process/child.ts';
import { CLI } from '../support/process/cli.ts';
import { useChildren } from '../support/process/use-children.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const MIB = 1_048_576;

const directory = useScratchFolder();

const children = useChildren();

/** Overwrites everything of a file from there on. */
function spoil(path: string, from: number): void {
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xa5, from));
}

interface Running {
  readonly child: Child;
  readonly url: string;
}

async function start(database = join(directory, `${hex(4)}.sqlite`), ...more: readonly string[]): Promise<Running> {
  const args = [CLI, 'collector', '--port', '0', '--query-port', '0', '--db', database, ...more];
  const child = children.run(process.execPath, args);
  const [, url = ''] = await child.sees(/queries: (\S+)/);
  return { child, url };
}

/** Sends a shutdown as a gateway would: one request with the spans of the provider, one with those of all consumers. */
async function sendMerged(url: string, bodies: readonly string[]): Promise<void> {
  const [own = '', ...others] = bodies;
  const resourceSpans = others.flatMap((body) => (JSON.parse(body) as { resourceSpans: object[] }).resourceSpans);
  await sendOtlp(url, [own, JSON.stringify({ resourceSpans })]);
}

async function post(url: string, body: string): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/traces`, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
}

/** Memory of a process in MiB: now, and at the most so far. */
function memory({ child }: Running): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const read = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024);
  return { now: read('VmRSS'), most: read('VmHWM') };
}

/** Takes a shutdown and shows it; resolves with how long that took, in milliseconds. */
async function isWell({ url }: Running): Promise<number> {
  const begun = performance.now();
  const { traceId, bodies } = shutdownBodies('well', 2);
  await sendOtlp(url, bodies);
  const answer = await fetch(`${url}/api/traces/${traceId}`);
  expect(((await answer.json()) as { data: { spans: object[] }[] }).data[0]?.spans).toHaveLength(11);
  return performance.now() - begun;
}

/** Connections that send something and then nothing. */
async function sockets(url: string, count: number, text: string): Promise<readonly Socket[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(text);
      return socket;
    }),
  );
}

describe('slow clients of lossless collector', () => {
  test('200 that never end their headers are cut off; 200 that never end their body hold up no other', async () => {
    const collector = await start();
    const headers = await sockets(collector.url, 200, 'POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\n');
    const bodies = await sockets(
      collector.url,
      200,
      'POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{"resourceSpans":[',
    );
    expect(await isWell(collector)).toBeLessThan(5_000);
    for (const socket of headers) socket.resume();
    await until(() => headers.every((socket) => socket.closed), 30_000);
    expect(await isWell(collector)).toBeLessThan(5_000);
    for (const socket of bodies) socket.destroy();
  }, 90_000);

  test('4,300 that never end their headers keep no other out', async () => {
    const collector = await start();
    const half = 'POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\n';
    const opened: Socket[] = [];
    for (let n = 0; n < 43; n++) opened.push(...(await sockets(collector.url, 100, half)));
    expect(await isWell(collector)).toBeLessThan(5_000);
    for (const socket of opened) socket.destroy();
  }, 90_000);

  test('readers that never read: their waiting answers are bounded, and others are answered', async () => {
    const collector = await start();
    const { traceId, bodies } = shutdownBodies('large', 5_000);
    await sendMerged(collector.url, bodies);
    const { length } = await (await fetch(`${collector.url}/api/traces/${traceId}`)).text();
    const before = memory(collector).now;
    const slow = await sockets(collector.url, 40, `GET /api/traces/${traceId} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    expect((40 * length) / MIB).toBeGreaterThan(128);
    await until(async () => (await fetch(`${collector.url}/api/traces/${traceId}`)).status === 503);
    console.log(
      `40 readers of ${(length / MIB).toFixed(1)} MiB each: ${before} MiB before, ${memory(collector).most} at most`,
    );
    expect(memory(collector).most).toBeLessThan(700);
    await isWell(collector);
    for (const socket of slow) socket.destroy();
    await until(async () => (await fetch(`${collector.url}/api/traces/${traceId}`)).status === 200);
  }, 90_000);
});

describe('lossless collector on a disk that is full', () => {
  test('answers 503 and why, still answers queries, and takes spans again when there is room', async (context) => {
    const disk = join(directory, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', disk]).status === 0;
    if (!mounted) context.skip('needs the right to mount');
    try {
      const collector = await start(join(disk, 'traces.sqlite'));
      const first = shutdownBodies('first', 50);
      await sendMerged(collector.url, first.bodies);
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(4 * MIB));
      const refusals: { status: number; text: string }[] = [];
      await until(async () => {
        const [own = ''] = shutdownBodies('more', 200).bodies;
        const answer = await post(collector.url, own);
        if (answer.status !== 200) refusals.push(answer);
        return refusals.length >= 3;
      });
      for (const { status, text } of refusals) {
        expect(status).toBe(503);
        expect(JSON.parse(text)).toEqual({
          code: 14,
          message: expect.stringMatching(/cannot be stored: .*(full|I\/O)/),
        });
      }
      const kept = await fetch(`${collector.url}/api/traces/${first.traceId}`);
      expect(((await kept.json()) as { data: { spans: object[] }[] }).data[0]?.spans).toHaveLength(107);
      expect((await fetch(`${collector.url}/page/shutdowns`)).status).toBe(200);
      rmSync(join(disk, 'ballast'));
      await isWell(collector);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  }, 60_000);

  test('that is full from the start: the collector says so and ends', async (context) => {
    const disk = join(directory, 'full');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', disk]).status === 0;
    if (!mounted) context.skip('needs the right to mount');
    try {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(4_096));
      const args = [CLI, 'collector', '--port', '0', '--query-port', '0', '--db', join(disk, 'traces.sqlite')];
      const child = children.run(process.execPath, args);
      expect(await child.ends()).toEqual({ code: 2, signal: null });
      expect(child.stderr).toMatch(/^LOSSLESS_USAGE: the collector cannot start \(.+\); choose another .*--db/);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

describe('the database of lossless collector', () => {
  const kept = (path: string): readonly string[] => readdirSync(path).sort();

  /** A database with a shutdown, of a collector that has ended. */
  async function written(): Promise<{ readonly folder: string; readonly database: string }> {
    const folder = mkdtempSync(join(directory, 'database-'));
    const database = join(folder, 'traces.sqlite');
    const collector = await start(database);
    for (let n = 0; n < 20; n++) await sendOtlp(collector.url, shutdownBodies('shop', 5).bodies);
    collector.child.signal('SIGTERM');
    await collector.child.ends();
    return { folder, database };
  }

  test('is for its user alone, and so are the files beside it', async () => {
    const database = join(mkdtempSync(join(directory, 'modes-')), 'traces.sqlite');
    const collector = await start(database);
    await isWell(collector);
    for (const part of ['', '-wal', '-shm']) expect(statSync(`${database}${part}`).mode & 0o777, part).toBe(0o600);
  });

  test.each([
    ['truncated', (path: string) => truncateSync(path, 10_000)],
    ['truncated within its header', (path: string) => truncateSync(path, 40)],
    ['overwritten', (path: string) => spoil(path, 4_096)],
  ])('that was %s is set aside with one message, and the collector begins a new one', async (_, damage) => {
    const { folder, database } = await written();
    damage(database);
    const collector = await start(database);
    for (let n = 0; n < 10; n++) await fetch(`${collector.url}/page/shutdowns`);
    await until(async () => (await post(collector.url, shutdownBodies('well', 1).bodies[0] ?? '')).status === 200);
    await isWell(collector);
    expect(collector.child.stderr.match(/set it aside as .*traces\.sqlite\.damaged/g)).toHaveLength(1);
    expect(kept(folder)).toContain('traces.sqlite.damaged');
  });

  test('that is damaged during use is set aside too', async () => {
    const { database } = await written();
    const collector = await start(database);
    spoil(database, 4_096);
    await until(async () => {
      await fetch(`${collector.url}/page/shutdowns`);
      await post(collector.url, shutdownBodies('well', 1).bodies[0] ?? '');
      return collector.child.stderr.includes('.damaged');
    });
    await isWell(collector);
  });

  test('of another program is never touched', async () => {
    const folder = mkdtempSync(join(directory, 'other-'));
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'x'.repeat(10_000));
    const child = children.run(process.execPath, [CLI, 'collector', '--port', '0', '--query-port', '0', '--db', file]);
    expect(await child.ends()).toEqual({ code: 2, signal: null });
    expect(readFileSync(file, 'utf8')).toBe('x'.repeat(10_000));
    expect(kept(folder)).toEqual(['notes.txt']);
  });
});

test('lossless collector warns when other machines can reach it', async () => {
  const local = await start();
  const open = await start(undefined, '--host', '0.0.0.0');
  await open.child.sees(/there is no password/);
  expect(local.child.stderr).toBe('');
});

describe('lossless collector and very many spans', () => {
  test('1,000 shutdowns of 250 consumers: memory and database stay bounded, and it answers meanwhile', async () => {
    const database = join(directory, 'heavy.sqlite');
    const collector = await start(database, '--max-size', '256');
    const ids: string[] = [];
    const waits: number[] = [];
    const begun = performance.now();
    for (let n = 0; n < 1_000; n++) {
      const { traceId, bodies } = shutdownBodies(`service-${n % 20}`, 250, n % 7);
      await sendMerged(collector.url, bodies);
      ids.push(traceId);
      if (n % 100 === 99) waits.push(await isWell(collector));
    }
    const seconds = (performance.now() - begun) / 1_000;
    const timed = async (path: string): Promise<number> => {
      const asked = performance.now();
      const answer = await fetch(`${collector.url}${path}`);
      expect(answer.status, path).toBe(200);
      await answer.arrayBuffer();
      return Math.round(performance.now() - asked);
    };
    const list = [await timed('/page/shutdowns'), await timed('/page/shutdowns')];
    const trace = await timed(`/page/traces/${ids.at(-1)}`);
    const { now, most } = memory(collector);
    const size = Math.round(statSync(database).size / MIB);
    console.log(
      `1,000 shutdowns, 504,000 spans in ${seconds.toFixed(0)} s: ${now} MiB resident, ${most} at most; database ${size} MiB; ` +
        `answers meanwhile within ${Math.round(Math.max(...waits))} ms; list ${list.join(' then ')} ms; trace ${trace} ms`,
    );
    expect(most).toBeLessThan(500);
    expect(size).toBeLessThan(300);
    expect((await fetch(`${collector.url}/api/traces/${ids[0]}`)).status).toBe(404);
    expect((await (await fetch(`${collector.url}/metrics`)).text()).length).toBeLessThan(2 * MIB);
  }, 300_000);

  test('spans in any order, each twice, some long after the root: the shutdown is whole in the end, counted once', async () => {
    const collector = await start();
    const { traceId, bodies } = shutdownBodies('late', 40);
    const [own = '', ...refreshes] = bodies;
    const parsed = JSON.parse(own);
    const [scope] = parsed.resourceSpans[0].scopeSpans;
    const singles = (scope.spans as object[])
      .toReversed()
      .map((span) =>
        JSON.stringify({ resourceSpans: [{ ...parsed.resourceSpans[0], scopeSpans: [{ ...scope, spans: [span] }] }] }),
      );
    await sendOtlp(collector.url, [...refreshes.slice(0, 20), ...singles, ...singles]);
    const listed = async (): Promise<{ whole: boolean; spans: number }> => {
      const list = (await (await fetch(`${collector.url}/page/shutdowns`)).json()) as {
        shutdowns: { traceId: string; whole: boolean; spans: number }[];
      };
      const found = list.shutdowns.find((shutdown) => shutdown.traceId === traceId);
      return { whole: found?.whole ?? false, spans: found?.spans ?? 0 };
    };
    expect(await listed()).toEqual({ whole: false, spans: 67 });
    await sendOtlp(collector.url, [...refreshes, ...refreshes]);
    expect(await listed()).toEqual({ whole: true, spans: 87 });
    const metrics = await (await fetch(`${collector.url}/metrics`)).text();
    expect(metrics).toMatch(/duration_milliseconds_count\{[^}]*span_name="lossless.goaway"[^}]*\} 40\n/);
  });
});

test('lossless collector listens on loopback alone unless a host is named', async (context) => {
  const { url } = await start();
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((each) => each !== undefined && !each.internal && each.family === 'IPv4');
  if (outside === undefined) return context.skip('this machine has no other address');
  const refused = await fetch(url.replace('127.0.0.1', outside.address)).then(
    () => 'answered',
    (thrown: { cause?: { code?: string } }) => thrown.cause?.code,
  );
  expect(refused).toBe('ECONNREFUSED');
});
