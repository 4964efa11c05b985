import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { startConnect, startGrpcJs } from '../support/grpc/clients.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const SERVER = new URL('../fixtures/apps/grpc.ts', import.meta.url);

const world = useWorld();

function instance(kind: string, env: Readonly<Record<string, string>> = {}): Promise<Service> {
  return world().service('echo', { file: SERVER, kind, env: { LOSSLESS_HOLD_MS: '1500', ...env } });
}

describe('callers of gRPC without the plugin lose no call when an instance leaves', () => {
  test.each([
    ['grpc-js', 'say', 5, 100],
    ['grpc-js', 'say', 300, 50],
    ['grpc-js', 'repeat', 1_000, 20],
    ['connect', 'say', 5, 100],
    ['nest', 'say', 300, 50],
    ['nest', 'repeat', 1_000, 20],
  ] as const)('%s, %s of %i ms, %i a second, a list of two addresses', async (kind, method, ms, perSecond) => {
    const [leaving, staying] = [await instance(kind), await instance(kind)];
    const load = startGrpcJs({ method, ms, perSecond, ports: [leaving.port, staying.port] });
    await until(async () => (await world().served(leaving)) > 10);
    await world().leave(leaving);
    const { verdict, ...trace } = await world().trace(leaving);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(verdict).toMatchObject({ result: 'success', whole: true });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({ 'lossless.stop.sockets.forced': 0 });
  });

  test.each(['say', 'repeat'] as const)('Connect, %s, one address', async (method) => {
    const [leaving, staying] = [await instance('connect'), await instance('connect')];
    const proxy = await DelayProxy.start(10);
    onTestFinished(() => proxy.close());
    proxy.target = leaving.port;
    const ms = method === 'say' ? 5 : 500;
    const load = startConnect({ method, ms, perSecond: 100, ports: [proxy.port] });
    await until(async () => (await world().served(leaving)) > 50);
    // What is in front gives new connections to who is in service.
    proxy.target = staying.port;
    await world().leave(leaving);
    const { verdict } = await world().trace(leaving);
    await pause(200);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(verdict).toMatchObject({ result: 'success', whole: true });
  });
});
