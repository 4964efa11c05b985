import { fileURLToPath } from 'node:url';
import { Redis as Client } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { registryUrls } from '../../src/config/registries.ts';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistries } from '../../src/registry/open.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { isRefused } from '../contract/refused.ts';
import { testRegistry } from '../contract/registry.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { registered } from '../support/process/registered.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Redis } from '../support/servers/redis.ts';
import { useStarted } from '../support/use-started.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

const missing = serverMissing('redis');
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('a registry of a module', () => {
  const redis = useStarted(() => Redis.start());
  const world = useWorld();
  const urlOf = (port: number, user = ''): string =>
    `redis://${user}127.0.0.1:${port}?module=${EXAMPLES}redis-registry.js`;
  const openAt = (url: string, log: string[] = []): Promise<Registry> =>
    openRegistries(registryUrls(url), { clock: systemClock, log: (_, message) => void log.push(message) });

  testRegistry('of a module', {
    open: () => openAt(urlOf(redis().port)),
    corrupt: async (service) => {
      const client = new Client(redis().port);
      for (const [n, text] of ['{}', '[]', 'null', '1', '{"service":7}', '{"instanceId":{}}'].entries()) {
        await client.set(`lossless:${service}:${n}`, text);
        await client.zadd(`lossless:${service}`, Date.now(), String(n));
      }
      client.disconnect();
    },
    otherProcess: (instance) => registered(world().children, urlOf(redis().port), instance),
    expiryMs: 7_500,
    heartbeatMs: 2_000,
  });

  test('its author tries the contract with the runner of Node.js', async () => {
    const author = world().children.run(NODES[LINE], ['--test', 'redis-registry.test.js'], {
      cwd: EXAMPLES,
      env: { REDIS_URL: `redis://127.0.0.1:${redis().port}` },
    });
    expect(await author.ends()).toEqual({ code: 0, signal: null });
    expect(author.stdout).toMatch(/pass 23\n/);
    expect(author.stdout).toMatch(/fail 0\n/);
  });

  test('a wrong password is a clear error without any password', async () => {
    const [client, logged] = [new Client(redis().port), [] as string[]];
    await client.config('SET', 'requirepass', 'another');
    const registry = await openAt(urlOf(redis().port, ':s3cret%40x@'), logged);
    await isRefused(registry, { says: /Redis registry at 127\.0\.0\.1/, secret: /s3cret/, logged });
    await client.config('SET', 'requirepass', '');
    client.disconnect();
  });

  test('services with it are called, and leave without losing a request', async () => {
    const env = { LOSSLESS_REGISTRY: urlOf(redis().port) };
    const [leaving] = [await world().service('provider', { env }), await world().service('provider', { env })];
    const caller = await world().caller('http://provider/echo', 100, { env });
    await world().called(leaving);
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1, problems: [] });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.deregister.result': 'confirmed',
      'lossless.registry.type': 'redis',
    });
  });
});
