import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import { appPortOf } from '../support/process/announced.ts';
import { type Service, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const APP = new URL('../fixtures/apps/app.ts', import.meta.url);

const world = useWorld();

/** The condition that a platform waits for before it stops the old instance. */
type Ready = (started: Service) => Promise<void>;

/** `/readiness` of the control port, as a Kubernetes probe asks it. */
const byReadiness: Ready = async (started) => {
  const url = `http://127.0.0.1:${await world().controlPort(started)}/readiness`;
  await until(async () => (await fetch(url)).status === 200);
};

/** The port is open, which a TCP probe, or a platform without a probe, takes for ready. */
const byPort: Ready = async () => {};

/** Starts a service and waits until its port is open, no longer. */
async function start(env: Record<string, string>): Promise<Service> {
  const child = world().children.node(APP, { env: world().env('provider', env), args: ['http', '5'] });
  const port = await appPortOf(child);
  await child.sees(/control server listens/);
  return { child, port };
}

/** The fewest instances that were registered at any time. */
async function watchFewest(): Promise<{ readonly fewest: number; stop(): Promise<void> }> {
  const registry = await openRegistry(new URL(world().registryUrl), { clock: systemClock, log: () => {} });
  const seen = { fewest: Number.POSITIVE_INFINITY, stop: () => registry.close() };
  await registry.watch('provider', (instances) => {
    seen.fewest = Math.min(seen.fewest, instances.length);
  });
  return seen;
}

/** `maxUnavailable: 0`, `maxSurge: 1` on one replica: start the new one, wait until it is ready, stop the old one; `times` over. */
async function rollingUpdate(times: number, ready: Ready, env: Record<string, string>) {
  let current = await start(env);
  await byReadiness(current);
  const seen = await watchFewest();
  const caller = await world().caller('http://provider/echo', 100);
  for (let n = 0; n < times; n++) {
    const next = await start(env);
    await ready(next);
    await world().leave(current);
    current = next;
  }
  const counted = await caller.stop();
  await seen.stop();
  return { counted, fewest: seen.fewest };
}

/** Three seconds pass between the open port and the registration; the platform kills after half of that. */
const SLOW_START = { LOSSLESS_REGISTER_DELAY_MS: '3000', LOSSLESS_GRACE_PERIOD_MS: '1500' };

describe('R29: a rolling update', () => {
  test('with readiness aligned to the registry: no failure, and always an instance registered', async () => {
    const { counted, fewest } = await rollingUpdate(3, byReadiness, SLOW_START);
    expect(counted).toMatchObject({ failed: 0 });
    expect(counted.sent).toBeGreaterThan(300);
    expect(fewest).toBeGreaterThanOrEqual(1);
  }, 90_000);

  test('without it the old instance leaves before the new one is registered, and requests fail', async () => {
    const { counted, fewest } = await rollingUpdate(1, byPort, SLOW_START);
    expect(fewest).toBe(0);
    expect(counted.failed).toBeGreaterThan(0);
  }, 90_000);
});
