import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { VerifyReport } from '../../src/cli/verify-report.ts';
import { ATTR } from '../../src/trace/model/schema.ts';
import { hex, otlpBody, sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { lossless } from '../support/process/cli.ts';
import { useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';
import { useServer } from '../support/use-server.ts';

const world = useWorld();

function verify(service: string, ...args: string[]) {
  const url = args.includes('--url') ? [] : ['--url', world().collector.queryUrl];
  return lossless(['verify', '--service', service, ...args, ...url]);
}

/** A shutdown whose start marker alone arrived. */
function marker(service: string, start: number, gracePeriodS: number): string {
  const attributes = {
    [ATTR.service]: service,
    [ATTR.instanceId]: `${service}-1`,
    [ATTR.trigger]: 'SIGTERM',
    [ATTR.gracePeriod]: gracePeriodS,
  };
  const ids = { traceId: hex(16), spanId: hex(8), parentSpanId: hex(8) };
  return otlpBody(service, `${service}-1`, [{ ...ids, work: 'offline.started', start, durationMs: 0.001, attributes }]);
}

describe('real shutdowns', () => {
  test('0 when all were lossless, 1 when a consumer could not be told, 1 when one was killed', async () => {
    const [first, second, third] = [
      await world().service('provider', { env: { LOSSLESS_HOLD_MS: '0' } }),
      await world().service('provider', { env: { LOSSLESS_HOLD_MS: '0' } }),
      await world().service('provider', { env: { LOSSLESS_GRACE_PERIOD_MS: '1000' } }),
    ];
    const caller = await world().caller('http://provider/echo', 30);
    await world().called(first);
    await world().leave(first);
    await world().trace(first);
    const clean = await verify('provider', '--since', '5m', '--expect', '1');
    expect(clean).toMatchObject({ code: 0 });
    expect(clean.stdout).toMatch(/lossless: 1 shutdowns, all lossless/);

    await fetch(`http://127.0.0.1:${second.port}/echo`, {
      method: 'POST',
      body: 'x',
      headers: { 'lossless-consumer': '"dead";id="dead-1";gen=1;port=1', connection: 'keep-alive' },
    });
    await world().leave(second);
    await world().trace(second);
    const untold = await verify('provider', '--since', '5m');
    expect(untold).toMatchObject({ code: 1 });
    expect(untold.stdout).toContain(`${world().collector.queryUrl}/trace/${world().traceId(second)}`);
    expect(untold.stdout).toMatch(/lossy: 1 of 2 shutdowns were not lossless/);

    const busy = fetch(`http://127.0.0.1:${third.port}/slow?ms=5000`, { method: 'POST', body: 'x' }).catch(() => {});
    await until(async () => third.child.stderr.includes('control server'));
    third.child.signal('SIGTERM');
    await until(async () => {
      const found = await verify('provider', '--since', '5m', '--json');
      return (JSON.parse(found.stdout) as { shutdowns: unknown[] }).shutdowns.length === 3;
    });
    third.child.signal('SIGKILL');
    await busy;
    await caller.stop();
    expect((await verify('provider', '--since', '5m')).code).toBe(1);
  });
});

test('judges one release by itself: the last or a named one', async () => {
  const version = (name: string) => ({ LOSSLESS_METADATA: `version=${name}`, LOSSLESS_HOLD_MS: '0' });
  const old = await world().service('provider', { env: version('1.0.0') });
  const caller = await world().caller('http://provider/echo', 30);
  const middle = await world().service('provider', { env: version('1.1.0') });
  await world().leave(old);
  const last = await world().service('provider', { env: version('1.2.0') });
  await world().called(middle);
  await world().leave(middle);
  await world().trace(old);
  await world().trace(middle);
  await caller.stop();
  const latest = await verify('provider', '--release', 'latest');
  expect(latest).toMatchObject({ code: 0 });
  expect(latest.stdout).toMatch(
    /release 1\.2\.0: 1 of 1 shutdowns lossless, 1 of 1 consumers told, 0 requests after an ack/,
  );
  expect(latest.stdout).toContain('never fewer than 1 ready');
  const { stdout } = await verify('provider', '--release', '1.1.0', '--json');
  const { release, shutdowns } = JSON.parse(stdout) as VerifyReport;
  expect(release).toMatchObject({ version: '1.1.0', fewestReady: 1 });
  expect(shutdowns.map(({ traceId }) => traceId)).toEqual([world().traceId(old)]);
  expect(await verify('provider', '--release', '3.0.0')).toMatchObject({ code: 2 });
  await world().leave(last);
});

test('--wait asks until the last span is there, and --junit writes what CI reads', async () => {
  const [own = '', first = '', second = ''] = shutdownBodies('late', 2).bodies;
  await sendOtlp(world().collector.otlpUrl, [own, first]);
  const file = join(useScratchFolder(), 'report.xml');
  const gate = verify('late', '--since', '1h', '--wait', '30s', '--junit', file);
  await sendOtlp(world().collector.otlpUrl, [second]);
  expect(await gate).toMatchObject({ code: 0 });
  expect(readFileSync(file, 'utf8')).toContain('<testsuite name="late" tests="2" failures="0" errors="0" skipped="0">');
});

describe('an unknown verdict is 2', () => {
  test('for fewer shutdowns than expected, and for none', async () => {
    await sendOtlp(world().collector.otlpUrl, shutdownBodies('few', 3).bodies);
    expect(await verify('few', '--since', '1h', '--expect', '1')).toMatchObject({ code: 0 });
    const few = await verify('few', '--since', '1h', '--expect', '2');
    expect(few).toMatchObject({ code: 2 });
    expect(few.stdout).toContain('expected 2 shutdowns, found 1');
    expect(await verify('nobody', '--since', '1h')).toMatchObject({ code: 2 });
    expect(await verify('nobody', '--since', '1h', '--expect', '0')).toMatchObject({ code: 0 });
  });

  test('for a shutdown that may still run, and 1 once it cannot run any more', async () => {
    await sendOtlp(world().collector.otlpUrl, [marker('running', Date.now() - 10_000, 30)]);
    expect(await verify('running', '--since', '1h')).toMatchObject({ code: 2 });
    await sendOtlp(world().collector.otlpUrl, [marker('killed', Date.now() - 10_000, 1)]);
    const killed = await verify('killed', '--since', '1h');
    expect(killed).toMatchObject({ code: 1 });
    expect(killed.stdout).toMatch(
      /killed-1 .* killed [\s\S]*the end of the shutdown never arrived: the process was killed/,
    );
  });

  test('for a good end while a span of a consumer may still arrive, and 1 once it cannot arrive any more', async () => {
    const [own = '', first = '', second = ''] = shutdownBodies('late', 2).bodies;
    await sendOtlp(world().collector.otlpUrl, [own, first]);
    const late = await verify('late', '--since', '1h');
    expect(late).toMatchObject({ code: 2 });
    expect(late.stdout).toContain('spans of 1 of 1 shutdowns may still arrive');
    await sendOtlp(world().collector.otlpUrl, [second]);
    expect(await verify('late', '--since', '1h')).toMatchObject({ code: 0 });
    const [lost = '', only = ''] = shutdownBodies('lost', 2, 0, Date.now() - 60_000).bodies;
    await sendOtlp(world().collector.otlpUrl, [lost, only]);
    expect(await verify('lost', '--since', '1h')).toMatchObject({ code: 1 });
    const [untold = ''] = shutdownBodies('untold', 2, 1).bodies;
    await sendOtlp(world().collector.otlpUrl, [untold]);
    expect(await verify('untold', '--since', '1h')).toMatchObject({ code: 1 });
  });

  test.each([
    ['is not there', undefined],
    ['answers a web page', '<html>'],
    ['answers a number in the place of traces', '{"data": 7}'],
    ['answers empty spans', '{"data": [{"traceID": "x", "spans": [{}], "processes": null}]}'],
  ])('a store that %s', async (_, answer) => {
    let url = 'http://127.0.0.1:1';
    if (answer !== undefined) {
      const server = createServer((_request, response) => response.end(answer));
      const port = await useServer(server);
      url = `http://127.0.0.1:${port}`;
    }
    const { code, stderr, stdout } = await verify('provider', '--since', '1h', '--url', url);
    expect(code).toBe(2);
    expect(`${stderr}${stdout}`).toMatch(/LOSSLESS_|unknown/);
  });

  test.each([
    [['--since', 'yesterday']],
    [['--since', '10 minutes']],
    [['--since', '10']],
    [['--since', 'May 2026']],
    [['--since', '2026-13-01']],
    [[]],
    [['--since', '1h', '--expect', 'all']],
    [['--since', '1h', '--wait', 'long']],
    [['--since', '2999-01-01T00:00:00Z']],
  ])('the command line %j', async (args) => {
    const { code, stderr } = await verify('provider', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^LOSSLESS_USAGE: /);
  });
});

test('shutdowns of which one answer holds only one are all found, and each of them whole', async () => {
  const padding = `"attributes":[{"key":"padding","value":{"stringValue":"${'x'.repeat(9 * 2 ** 20)}"}},`;
  for (let n = 0; n < 3; n++) {
    const [own = '', ...refreshes] = shutdownBodies('large', 4, 0, Date.now() - 60_000 + n).bodies;
    const padded = refreshes.map((body) => body.replace(/"attributes":\[(?=\{"key":"lossless)/, padding));
    await sendOtlp(world().collector.otlpUrl, [own, ...padded]);
  }
  const { code, stdout } = await verify('large', '--since', '1h', '--expect', '3');
  expect(stdout).toContain('lossless: 3 shutdowns, all lossless');
  expect(code).toBe(0);
}, 60_000);

test('more shutdowns than one search answers are all found, and only those since then', async () => {
  const now = Date.now();
  const bodies = [...Array(250).keys()].flatMap((n) => shutdownBodies('many', 1, 0, now - 60_000 + n * 10).bodies);
  await sendOtlp(world().collector.otlpUrl, [...bodies, ...shutdownBodies('many', 1, 1, now - 7_200_000).bodies]);
  const { code, stdout } = await verify('many', '--since', '1h', '--expect', '250', '--json');
  const report = JSON.parse(stdout) as { verdict: string; shutdowns: readonly { traceId: string }[] };
  expect(report.verdict).toBe('lossless');
  expect(new Set(report.shutdowns.map(({ traceId }) => traceId)).size).toBe(250);
  expect(code).toBe(0);
  expect((await verify('many', '--since', '1d')).code).toBe(1);
});
