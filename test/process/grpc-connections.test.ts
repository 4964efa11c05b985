import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { Instance } from '../../src/registry/registry.ts';
import { bodyOf, post } from '../fixtures/consumer/goaway.ts';
import type { FromConsumer } from '../fixtures/consumer/wire.ts';
import { anInstance } from '../support/an-instance.ts';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { type Counting, countingEcho } from '../support/grpc/echo-server.ts';
import type { Child } from '../support/process/child.ts';
import { DeafInstance } from '../support/process/deaf-instance.ts';
import { useChildren } from '../support/process/use-children.ts';
import { freePort } from '../support/servers/built.ts';
import { until } from '../support/until.ts';

const CALLER = new URL('../fixtures/apps/caller.ts', import.meta.url);
const PRELOAD = fileURLToPath(new URL('../fixtures/consumer/preload.ts', import.meta.url));

const children = useChildren();

const closing: (() => void)[] = [];
const deaf: DeafInstance[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await Promise.all(deaf.splice(0).map((each) => each.stop()));
});

async function serve(): Promise<Counting> {
  const server = await countingEcho();
  closing.push(server.close);
  return server;
}

/** A proxy before it, and how many connections have carried something. */
async function proxied(target: number): Promise<{ readonly proxy: DelayProxy; readonly used: () => number }> {
  const proxy = await DelayProxy.start(0);
  closing.push(() => proxy.close());
  proxy.target = target;
  const used = new Set<object>();
  proxy.onConnection = () => {
    const connection = {};
    return () => void used.add(connection);
  };
  return { proxy, used: () => used.size };
}

const instanceAt = (port: number, more: Partial<Instance> = {}): Instance =>
  anInstance({ service: 'provider', instanceId: `i-${port}`, generation: 7, port, registeredAt: 0, ...more });

/** A process that calls 50 times a second and tries every call once. @param zone that it is in */
async function calling(
  instances: readonly Instance[],
  zone?: string,
): Promise<{ readonly child: Child; readonly control: number }> {
  const child = children.node(CALLER, {
    nodeArgs: ['--import', PRELOAD],
    args: ['lossless:///provider', 50, 'grpc'],
    env: {
      FIXTURE_LISTS: JSON.stringify({ provider: instances }),
      FIXTURE_GRPC: JSON.stringify({ channel: { 'grpc.enable_retries': 0 } }),
      ...(zone !== undefined && { FIXTURE_ZONE: zone }),
    },
    ipc: true,
  });
  const { port } = await child.receives<FromConsumer & { type: 'ready' }>(({ type }) => type === 'ready');
  return { child, control: port };
}

/** Stops it; its counts. */
async function counted(child: Child) {
  child.say('stop');
  const [, counts = ''] = await child.sees(/counted (.*)\n/);
  return JSON.parse(counts);
}

const NONE_LOST = { failed: 0, reasons: {} };

describe('the connections of grpc-js, of which every call is tried once', () => {
  test('to the only instance stay while it leaves, however often it says so, also when it is not listed any more', async () => {
    const server = await serve();
    const { proxy, used } = await proxied(server.port);
    const only = instanceAt(proxy.port, { endpoints: [{ protocol: 'grpc', port: proxy.port, secure: false }] });
    const http = await freePort();
    const byHttp = instanceAt(http, { endpoints: [{ protocol: 'http', port: http, secure: false }] });
    const { child, control } = await calling([only]);
    await child.sees(/answered/);
    for (let n = 0; n < 3; n++) {
      expect(await (await post(control, bodyOf(only))).line()).toMatchObject({ isolated: true, others: 0 });
      const { calls } = server;
      await until(() => server.calls > calls + 20);
      child.send({ type: 'lists', lists: { provider: n === 0 ? [only, byHttp] : [byHttp] } });
    }
    expect(await counted(child)).toMatchObject(NONE_LOST);
    expect(used()).toBe(1);
  });

  test('that are being made when a message of an earlier process at the address comes are no failures', async () => {
    const server = await serve();
    const { proxy, used } = await proxied(server.port);
    const newer = instanceAt(proxy.port);
    proxy.hold();
    const { child, control } = await calling([newer]);
    await until(() => used() === 1);
    expect(await (await post(control, bodyOf({ ...newer, generation: 6 }))).line()).toMatchObject({ others: 1 });
    proxy.release();
    await child.sees(/answered/);
    await until(() => server.calls > 50);
    expect(await counted(child)).toMatchObject(NONE_LOST);
    // The one that may have led to the earlier process is closed.
    expect(used()).toBe(2);
  });

  test('are made to the other zone when the only instance of the own one refuses, and again whenever that is tried', async () => {
    const server = await serve();
    const near = instanceAt(await freePort(), { metadata: { zone: 'eu-1' } });
    const far = instanceAt(server.port, { metadata: { zone: 'eu-2' } });
    const { child } = await calling([near, far], 'eu-1');
    // Five seconds, in which it is tried twice.
    await until(() => server.calls > 250);
    expect(await counted(child)).toMatchObject(NONE_LOST);
  });

  test('are made to the other zone when the only instance of the own one drops packets', async () => {
    const server = await serve();
    const far = instanceAt(server.port, { metadata: { zone: 'eu-2' } });
    const near = await DeafInstance.start({ ...far, metadata: { zone: 'eu-1' } }, 'hole');
    deaf.push(near);
    const { child } = await calling([near.instance, far], 'eu-1');
    // Half as long as grpc-js waits for a connection.
    await until(() => server.calls > 100, 10_000);
    expect(await counted(child)).toMatchObject(NONE_LOST);
  });

  test('to an instance that leaves are used while the only other one refuses', async () => {
    const server = await serve();
    const leaving = instanceAt(server.port);
    const { child, control } = await calling([leaving, instanceAt(await freePort())]);
    await child.sees(/answered/);
    expect(await (await post(control, bodyOf(leaving))).line()).toMatchObject({ isolated: true, others: 0 });
    const { calls } = server;
    await until(() => server.calls > calls + 250);
    expect(await counted(child)).toMatchObject(NONE_LOST);
  });
});
