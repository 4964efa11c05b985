import { expect, test } from 'vitest';
import { ATTR } from '../../src/trace/model/schema.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

const TWICE = new URL('../fixtures/apps/twice.ts', import.meta.url);

const env = { LOSSLESS_WARMUP_MS: '0' };

test('an application that registers itself too leaves soon, confirmed and without loss, and nothing comes after the ack', async () => {
  const leaving = await world().service('provider', { env, file: TWICE });
  const staying = await world().service('provider', { env });
  const callers = [
    await world().caller('http://provider/echo', 100, { env }),
    await world().caller('http://provider/echo', 20, { env, name: 'other', client: 'close' }),
  ];
  await until(async () => (await world().served(leaving)) > 50);
  const began = Date.now();
  expect(await world().leave(leaving)).toEqual({ code: 0, signal: null });
  expect(Date.now() - began).toBeLessThan(3_000);
  const more = (await world().served(staying)) + 100;
  await until(async () => (await world().served(staying)) > more);
  for (const caller of callers) expect(await caller.stop()).toMatchObject({ failed: 0 });
  const trace = await world().trace(leaving);
  expect(trace.verdict).toMatchObject({ result: 'success', whole: true, planned: 2, acked: 2, afterAck: 0 });
  expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
    [ATTR.deregisterResult]: 'confirmed',
    [ATTR.deregisterOthers]: '["provider-own"]',
  });
});

test('callers without the plugin still find the other entry, so the result of the shutdown is no success', async () => {
  const leaving = await world().service('provider', { env: { ...env, LOSSLESS_HOLD_MS: '200' }, file: TWICE });
  expect((await fetch(`http://127.0.0.1:${leaving.port}/echo`)).status).toBe(200);
  await world().leave(leaving);
  const trace = await world().trace(leaving);
  expect(trace.verdict.result).toBe('incomplete');
  expect(JSON.stringify(spansOf(trace, 'offline'))).toContain('find this address in other entries: provider-own');
});

test('an instance that takes over the address of an isolated one is called at once', async () => {
  const leaving = await world().service('provider', { env });
  const staying = await world().service('provider', { env });
  const caller = await world().caller('http://provider/echo', 100, { env });
  await until(async () => (await world().served(leaving)) > 20);
  await world().leave(leaving);
  const next = await world().service('provider', { env, port: leaving.port });
  await until(async () => (await world().served(next)) > 50, 5_000);
  expect(await world().served(staying)).toBeGreaterThan(20);
  expect(await caller.stop()).toMatchObject({ failed: 0 });
});

test.skipIf(process.platform !== 'linux').each(['fetch', 'close'])(
  'of two processes that share a port the older one leaves: the kernel still sends it callers, so the result is no success (%s)',
  async (client) => {
    const start = (port: number) =>
      world().service('provider', {
        env: { ...env, LOSSLESS_GRACE_PERIOD_MS: '3000' },
        file: TWICE,
        port,
        args: ['reuse'],
      });
    const leaving = await start(0);
    const staying = await start(leaving.port);
    const caller = await world().caller('http://provider/echo', 50, { env, client });
    await world().leave(leaving);
    const more = (await world().served(staying)) + 50;
    await until(async () => (await world().served(staying)) > more);
    const { failed } = await caller.stop();
    const { verdict } = await world().trace(leaving);
    // A connection that the kernel has given to a listener is lost when that closes: whose shutdown it was says so.
    if (verdict.planned > 0) expect(['incomplete', 'timeout']).toContain(verdict.result);
    else expect(failed).toBe(0);
  },
);
