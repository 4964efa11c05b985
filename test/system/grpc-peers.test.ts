import { describe, expect, onTestFinished, test } from 'vitest';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { FOREIGN, startForeign, startNetHttp } from '../support/grpc/foreign.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';

const SERVER = new URL('../fixtures/apps/grpc.ts', import.meta.url);

/** Distance between client and instance, in milliseconds each way. */
const DELAY_MS = 10;

const missing = serverMissing(...FOREIGN);
if (missing) console.warn(missing);

const world = useWorld();

const start = (): Promise<Service> =>
  world().service('echo', { file: SERVER, kind: 'grpc-js', env: { LOSSLESS_HOLD_MS: '5000' } });

async function distance(): Promise<DelayProxy> {
  const proxy = await DelayProxy.start(DELAY_MS);
  onTestFinished(() => proxy.close());
  return proxy;
}

async function leaves(service: Service): Promise<void> {
  await world().leave(service);
  const { verdict, ...trace } = await world().trace(service);
  expect(verdict).toMatchObject({ result: 'success', whole: true });
  expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({ 'lossless.stop.sockets.forced': 0 });
}

describe.skipIf(missing)('clients of other languages lose no call while two instances are restarted in turn', () => {
  const methods = [
    ['say', 300, 50],
    ['repeat', 1_000, 20],
  ] as const;

  test.each(FOREIGN.flatMap((name) => methods.map((method) => [name, ...method] as const)))(
    '%s, %s of %i ms, %i a second, a list of two addresses',
    async (name, method, ms, perSecond) => {
      const places = [await distance(), await distance()];
      const services = [await start(), await start()];
      for (const [n, place] of places.entries()) place.target = services[n]?.port ?? 0;
      const ports = places.map(({ port }) => port);
      const load = startForeign(world().children, name, { method, ms, perSecond, ports });
      for (const [n, leaving] of services.entries()) {
        await world().called(leaving, 10);
        await leaves(leaving);
        const next = await start();
        (places[n] as DelayProxy).target = next.port;
        await world().called(next, 10);
      }
      const { failed, ok, sent } = await load.stop();
      expect(failed).toEqual([]);
      expect(ok).toBe(sent);
    },
  );

  test.each(['replayable', 'once'] as const)('net/http, a body that is %s, one address', async (body) => {
    const place = await distance();
    const provider = (): Promise<Service> =>
      world().service('provider', { kind: 'h2c', env: { LOSSLESS_HOLD_MS: '5000' } });
    let leaving = await provider();
    place.target = leaving.port;
    const load = startNetHttp(world().children, `http://127.0.0.1:${place.port}/echo`, body, 200);
    for (let n = 0; n < 2; n++) {
      const next = await provider();
      await world().called(leaving, 50);
      // The front gives new connections to an instance in service.
      place.target = next.port;
      await leaves(leaving);
      leaving = next;
    }
    await world().called(leaving, 50);
    const { failed, ok, sent } = await load.stop();
    expect(failed).toEqual([]);
    expect(ok).toBe(sent);
  });
});
