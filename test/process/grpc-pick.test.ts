import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { warmupShare } from '../../src/lifecycle/warmup.ts';
import type { GrpcOptions } from '../fixtures/grpc/clients.ts';
import { anInstance } from '../support/an-instance.ts';
import { type Counting, countingEcho } from '../support/grpc/echo-server.ts';
import { require } from '../support/grpc/libraries.ts';
import type { Child } from '../support/process/child.ts';
import { pluginEnv } from '../support/process/plugin-env.ts';
import { useChildren } from '../support/process/use-children.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const CALLER = new URL('../fixtures/apps/caller.ts', import.meta.url);
const PRELOAD = fileURLToPath(new URL('../fixtures/consumer/preload.ts', import.meta.url));

const children = useChildren();

/** Three instances, all of which have had calls: the first has a special weight, the third has just begun. */
async function called(
  weight: number,
  warmupMs: number,
  options: GrpcOptions = {},
): Promise<{ readonly servers: readonly Counting[]; readonly registeredAt: number }> {
  const servers = await Promise.all([countingEcho(), countingEcho(), countingEcho()]);
  const registeredAt = Date.now();
  const listed = servers.map(({ port }, n) =>
    anInstance({
      service: 'provider',
      port,
      weight: n === 0 ? weight : 100,
      registeredAt: n === 2 ? registeredAt : 0,
    }),
  );
  const child = children.node(CALLER, {
    nodeArgs: ['--import', PRELOAD],
    args: ['lossless:///provider', 400, 'grpc'],
    env: {
      FIXTURE_LISTS: JSON.stringify({ provider: listed }),
      FIXTURE_WARMUP_MS: String(warmupMs),
      FIXTURE_GRPC: JSON.stringify(options),
    },
  });
  await child.sees(/answered/);
  // Each is connected.
  await expect.poll(() => Math.min(...servers.map(({ calls }) => calls)), { timeout: 20_000 }).toBeGreaterThan(0);
  return { servers, registeredAt };
}

/** How many calls each got of some hundreds: the one of three times the weight, the usual one, and the one that has just begun. */
async function shares(options: GrpcOptions): Promise<readonly number[]> {
  const { servers } = await called(300, 600_000, options);
  const before = servers.map(({ calls }) => calls);
  const most = before.reduce((sum, calls) => sum + calls, 400);
  await expect
    .poll(() => servers.reduce((sum, { calls }) => sum + calls, 0), { timeout: 20_000 })
    .toBeGreaterThan(most);
  const counts = servers.map(({ calls }, n) => calls - (before[n] ?? 0));
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / total);
}

describe('who gets the calls of grpc-js', () => {
  test('is decided by weight and warm-up, as for HTTP', async () => {
    const [heavy = 0, usual = 0, warming = 0] = await shares({});
    // 300, 100 and a tenth of 100.
    expect(heavy).toBeCloseTo(300 / 410, 1);
    expect(usual).toBeCloseTo(100 / 410, 1);
    expect(warming).toBeLessThan(0.05);
    expect(warming).toBeGreaterThan(0);
  });

  test('follows the curve while an instance warms up beside two that are warm, within 3 points', async () => {
    const warmup = { ms: 10_000, curve: 2 };
    const { servers, registeredAt } = await called(100, warmup.ms);
    const [one, other, fresh] = servers as [Counting, Counting, Counting];
    const look = () => ({
      uptime: Date.now() - registeredAt,
      fresh: fresh.calls,
      all: one.calls + other.calls + fresh.calls,
    });
    for (let from = look(), to = from; to.uptime < warmup.ms; from = to) {
      await until(() => look().all > from.all + 300);
      to = look();
      expect(Math.abs((to.fresh - from.fresh) / (to.all - from.all) - meanShare(from.uptime, to.uptime))).toBeLessThan(
        0.03,
      );
    }

    /** Of one that takes a part of its weight beside two that take the whole. */
    function meanShare(from: number, to: number): number {
      const parts = Array.from({ length: 100 }, (_, n) => warmupShare(from + ((to - from) * n) / 99, warmup));
      return parts.reduce((sum, part) => sum + part / (2 + part), 0) / parts.length;
    }
  });

  test('is decided by the policy of the application, when it has chosen one', async () => {
    const config = { loadBalancingConfig: [{ round_robin: {} }] };
    const counts = await shares({ channel: { 'grpc.service_config': JSON.stringify(config) } });
    for (const count of counts) expect(count).toBeCloseTo(1 / 3, 1);
  });

  test('is decided as before when the application configures its methods alone', async () => {
    const config = { methodConfig: [{ name: [{}], timeout: '20s', retryPolicy: RETRIES }] };
    const [heavy = 0] = await shares({ channel: { 'grpc.service_config': JSON.stringify(config) } });
    expect(heavy).toBeCloseTo(300 / 410, 1);
  });
});

const RETRIES = {
  maxAttempts: 3,
  initialBackoff: '0.1s',
  maxBackoff: '1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
};

describe('an unknown version of grpc-js', () => {
  let folder: string;
  beforeEach(() => {
    folder = useScratchFolder();
  });

  /** Two copies that call themselves 1.99.0, and an application that loads both and then calls itself done. */
  function load(env: Readonly<Record<string, string>> = {}): Child {
    const real = JSON.stringify(require.resolve('@grpc/grpc-js'));
    for (const copy of ['a', 'b']) {
      const at = join(folder, copy, 'node_modules/@grpc/grpc-js');
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, 'package.json'), '{"name":"@grpc/grpc-js","version":"1.99.0","main":"index.js"}');
      writeFileSync(join(at, 'index.js'), `module.exports = require(${real});`);
      writeFileSync(join(folder, copy, 'load.cjs'), `require('@grpc/grpc-js');`);
    }
    const application = join(folder, 'application.cjs');
    writeFileSync(application, `require('./a/load.cjs'); require('./b/load.cjs'); console.log('loaded');`);
    return children.node(application, { env: pluginEnv(folder, { LOSSLESS_SERVICE: 'caller', ...env }) });
  }

  const said = ({ stderr }: Child): number => stderr.match(/LOSSLESS_GRPC_UNCOVERED/g)?.length ?? 0;

  test('is left alone, and one line says so', async () => {
    const child = load();
    await child.ends();
    expect(child.stdout).toBe('loaded\n');
    expect(said(child)).toBe(1);
  });

  test('is left alone without a line when LOSSLESS_GRPC=false', async () => {
    const child = load({ LOSSLESS_GRPC: 'false' });
    await child.ends();
    expect(child.stdout).toBe('loaded\n');
    expect(said(child)).toBe(0);
  });
});
