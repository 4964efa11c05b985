import { expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance } from '../../src/registry/registry.ts';
import { CLI } from '../support/process/cli.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';
import { useStarted } from '../support/use-started.ts';

/** How long a registry is gone: longer than any session or lease of these tests lasts. */
const DOWN_MS = 15_000;

const TIMEOUT = { timeout: 180_000 };

/** A server of the tests. */
interface Running {
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** What the registry lists of a service. */
export async function listed(url: string, service: string): Promise<readonly Instance[]> {
  const registry = await openRegistry(new URL(url), { clock: systemClock, log: () => {} });
  return registry.instances(service).finally(() => registry.close());
}

/**
 * Whole services with a real registry, and their callers: what a user of it will see.
 *
 * @param options of its URL: the entry of a process that has died is listed for less than DOWN_MS
 */
export function testServices(name: string, options: string, start: () => Promise<Running>): void {
  const world = useWorld();
  const server = useStarted(start);
  const statusOf = async (service: Pick<Service, 'child'>): Promise<{ registry: Record<string, unknown> }> => {
    const { body } = await operator(await world().controlPort(service as Service), '/status');
    return body as { registry: Record<string, unknown> };
  };

  const env = () => ({ LOSSLESS_REGISTRY: `${server().url}?${options}` });

  /** The registry is back afterwards, for the tests that follow, whatever comes of this one. */
  async function withoutRegistry(body: () => Promise<void>): Promise<void> {
    await server().stop();
    await body().finally(() => server().start());
  }

  test('an instance leaves without a failed request, and the registry confirms', TIMEOUT, async () => {
    const [leaving, staying] = [
      await world().service(`${name}-a`, { env: env(), line: '22.19' }),
      await world().service(`${name}-a`, { env: env() }),
    ];
    expect((await listed(env().LOSSLESS_REGISTRY, `${name}-a`)).map(({ port }) => port).sort()).toEqual(
      [leaving.port, staying.port].sort(),
    );
    const caller = await world().caller(`http://${name}-a/`, 50, { env: env() });
    await world().called(leaving);
    expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
    expect((await listed(env().LOSSLESS_REGISTRY, `${name}-a`)).map(({ port }) => port)).toEqual([staying.port]);
    const trace = await world().trace(leaving);
    expect(await caller.stop()).toMatchObject({ failed: 0 });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.registry.type': name,
      'lossless.registry.address': new URL(server().url).host,
      'lossless.deregister.result': 'confirmed',
      'lossless.deregister.listed_after': 1,
    });
  });

  test(
    'a while without the registry: calls go on with the last list, /status and metrics say so, and all is back with it',
    TIMEOUT,
    async () => {
      const service = await world().service(`${name}-b`, { env: env() });
      const caller = await world().caller(`http://${name}-b/`, 20, { env: env() });
      expect((await statusOf(service)).registry).not.toHaveProperty('failing');
      await withoutRegistry(async () => {
        const stoppedAt = Date.now();
        await until(async () => (await statusOf(service)).registry['failing'] !== undefined);
        await until(async () => (await statusOf(caller)).registry['failing'] !== undefined);
        const { failing } = (await statusOf(caller)).registry as { failing: { since: string; message: string } };
        expect(Date.parse(failing.since)).toBeGreaterThan(stoppedAt - 1_000);
        expect(failing.message).toMatch(/ECONN|closed|hang up/);
        const metrics = await fetch(`http://127.0.0.1:${await world().controlPort(service)}/metrics`);
        expect(await metrics.text()).toMatch(/^lossless_registry_failing\{.*\} 1$/m);
        await until(() => Date.now() - stoppedAt > DOWN_MS, DOWN_MS * 2);
        expect(service.child.stderr.match(/cannot be kept alive/g)).toHaveLength(1);
      });
      await until(async () => (await listed(env().LOSSLESS_REGISTRY, `${name}-b`).catch(() => [])).length === 1);
      await until(async () => (await statusOf(service)).registry['failing'] === undefined);
      const counted = await caller.stop();
      expect(counted).toMatchObject({ failed: 0 });
      expect(counted.sent).toBeGreaterThan((DOWN_MS / 1_000) * 10);
      await world().leave(service);
      expect(await listed(env().LOSSLESS_REGISTRY, `${name}-b`)).toEqual([]);
    },
  );

  test(
    'an offline without the registry tells the consumers, drains and stops in time; it is incomplete',
    TIMEOUT,
    async () => {
      const [leaving] = [
        await world().service(`${name}-c`, { env: env() }),
        await world().service(`${name}-c`, { env: env() }),
      ];
      const caller = await world().caller(`http://${name}-c/`, 50, { env: env() });
      await world().called(leaving);
      await withoutRegistry(async () => {
        const began = Date.now();
        expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
        expect(Date.now() - began).toBeLessThan(15_000);
      });
      const trace = await world().trace(leaving);
      expect(await caller.stop()).toMatchObject({ failed: 0 });
      expect(trace.verdict).toMatchObject({ result: 'incomplete', planned: 1, acked: 1 });
      expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
        'lossless.deregister.result': 'failed',
        'error.type': 'deregister_failed',
      });
    },
  );

  test('the demo on it: by hand it loses some, with the plugin none, and every trace is whole', TIMEOUT, async () => {
    const demo = world().children.node(CLI, {
      args: ['demo', '--json', '--seconds', '12', '--rate', '25', '--registry', env().LOSSLESS_REGISTRY],
    });
    expect(await demo.ends(120_000), demo.stderr).toEqual({ code: 0, signal: null });
    const { base, gray, traces } = JSON.parse(demo.stdout);
    expect(gray).toMatchObject({ failed: 0, reasons: {} });
    expect(gray.requests).toBeGreaterThan(12 * 25 * 0.9);
    expect(base.failed).toBeGreaterThan(0);
    expect(traces).toHaveLength(gray.shutdowns);
    for (const trace of traces) expect(trace).toMatchObject({ result: 'success', orphans: 0, acked: trace.planned });
  });
}
