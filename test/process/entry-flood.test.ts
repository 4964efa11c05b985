import { Agent } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Asked, useAsking } from '../support/entry/use-asking.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();
const { ask, atEnd, keepAsking } = useAsking();

/** Where a balancer asks, in these tests. */
const HEALTH = { LOSSLESS_HEALTH_PATHS: '/health' };

test('a flood of checks with made-up names costs no caller a request, and causes no time-out', async () => {
  const service = await world().service('provider', { env: { ...HEALTH, LOSSLESS_GRACE_PERIOD_MS: '8000' } });
  const control = await world().controlPort(service);
  const balancer = { from: '127.0.0.2', headers: { 'user-agent': 'balancer' } };
  let isIn = true;
  const checks = setInterval(async () => {
    isIn = (await ask(service.port, { ...balancer, path: '/health' }).catch(() => 503)) === 200;
  }, 300);
  atEnd(() => clearInterval(checks));
  const lost: string[] = [];
  let sent = 0;
  const calls = setInterval(() => {
    if (!isIn) return;
    sent++;
    ask(service.port, { ...balancer, method: 'POST', path: '/echo' }).catch((thrown) => lost.push(String(thrown)));
  }, 20);
  atEnd(() => clearInterval(calls));
  let name = 0;
  const made = () => ({ path: '/health', from: '127.0.0.9', headers: { 'user-agent': `stranger ${name++}` } });
  const floods = Array.from({ length: 8 }, () => keepAsking(service.port, made));
  const other = keepAsking(control, () => ({ ...made(), path: '/readiness' }));
  await until(() => sent > 50 && name > 1_000);
  const begun = performance.now();
  service.child.signal('SIGTERM');
  await service.child.ends();
  // Half of the grace period is the longest wait for unknown callers.
  expect(performance.now() - begun).toBeLessThan(7_000);
  expect(lost).toEqual([]);
  expect(floods.every(({ answered }) => answered > 0)).toBe(true);
  expect(other.answered).toBeGreaterThan(0);
  const trace = await world().trace(service);
  expect(trace.verdict.result).toBe('success');
  // The balancer is told by its own checks.
  expect(spansOf(trace, 'entry')[0]?.tags).toMatchObject({ 'lossless.entry.told': true, 'lossless.entry.probers': 1 });
  expect(service.child.stderr.split('\n').length).toBeLessThan(60);
});

describe('a flood of', () => {
  const pool = (): Agent => {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    atEnd(() => agent.destroy());
    return agent;
  };
  const check = { path: '/health', from: '127.0.0.9' };
  test.each<readonly [string, () => () => Asked]>([
    ['checks, each by a connection of its own', () => () => check],
    [
      'checks by kept connections',
      () => {
        const agent = pool();
        return () => ({ ...check, agent });
      },
    ],
    [
      'checks from very many addresses',
      () => {
        let n = 0;
        return () => ({ ...check, from: `127.0.${1 + (n++ % 200)}.9` });
      },
    ],
    ['scrapes', () => () => ({ path: '/metrics', headers: { 'user-agent': 'Prometheus/2.53.0' } })],
  ])('%s: the offline ends as without the flood, and a call in flight gets its answer', async (_, made) => {
    const service = await world().service('provider', { env: { ...HEALTH, LOSSLESS_GRACE_PERIOD_MS: '8000' } });
    const how = made();
    const floods = Array.from({ length: 8 }, () => keepAsking(service.port, how));
    await until(() => floods.reduce((sum, { answered }) => sum + answered, 0) > 500);
    const call = ask(service.port, { path: '/slow?ms=1000' });
    await world().called(service, 501);
    service.child.signal('SIGTERM');
    const [status] = await Promise.all([call, service.child.ends()]);
    expect(status).toBe(200);
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('success');
  });

  test('silent connections: the offline takes the hold time at most', async () => {
    const service = await world().service('provider', { env: { ...HEALTH, LOSSLESS_HOLD_MS: '2000' } });
    let connected = 0;
    let goesOn = true;
    const one = (): void => {
      const socket = connect({ host: '127.0.0.1', port: service.port });
      socket.once('connect', () => {
        connected++;
        setTimeout(() => socket.destroy(), 50);
      });
      socket.on('error', () => {});
      socket.once('close', () => goesOn && setImmediate(one));
    };
    for (let n = 0; n < 16; n++) one();
    atEnd(() => {
      goesOn = false;
    });
    await until(() => connected > 100);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeLessThan(5_000);
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('success');
  });
});
