import { expect, test } from 'vitest';
import { operator } from '../support/process/operator.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

const GRPC = new URL('../fixtures/apps/grpc.ts', import.meta.url);

test.each([
  ['fetch', 'http://provider/echo', {}],
  ['grpc', 'lossless:///provider', { file: GRPC, kind: 'grpc-js' }],
])(
  'calls by %s stay in the zone while it can serve, leave it without loss, and come back',
  async (client, url, service) => {
    const start = (zone: string) =>
      world().service('provider', {
        ...service,
        env: { LOSSLESS_ZONE: zone, LOSSLESS_METADATA: 'version=2', LOSSLESS_WARMUP_MS: '0' },
      });
    const far = await start('eu-2');
    const near = await start('eu-1');
    // The plugin itself asks an HTTP/2 server whether it speaks gRPC.
    const before = await world().served(far);
    const caller = await world().caller(url, 100, { client, env: { LOSSLESS_ZONE: 'eu-1' } });
    expect(await world().served(near)).toBeGreaterThan(10);
    expect(await world().served(far)).toBe(before);

    await world().leave(near);
    await until(async () => (await world().served(far)) > before + 50);
    const trace = await world().trace(near);
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true });

    const next = await start('eu-1');
    await until(async () => (await world().served(next)) > 20);
    const then = await world().served(far);
    const more = (await world().served(next)) + 50;
    await until(async () => (await world().served(next)) > more);
    expect(await world().served(far)).toBe(then);

    const port = await world().controlPort({ ...caller, port: 0 });
    const { body } = await operator(port, '/status');
    const calls = body['calls'] as { services: { provider: { instances: object[] } } };
    expect(calls.services.provider.instances).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ address: `127.0.0.1:${next.port}`, zone: 'eu-1', share: 1 }),
        expect.objectContaining({ address: `127.0.0.1:${far.port}`, zone: 'eu-2', share: 0 }),
      ]),
    );
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  },
);

test('the GoAway of a consumer says its version and zone, as its ack does', async () => {
  const start = (zone: string) => world().service('provider', { env: { LOSSLESS_ZONE: zone } });
  const leaving = await start('eu-1');
  await start('eu-1');
  const env = { LOSSLESS_ZONE: 'eu-2', OTEL_RESOURCE_ATTRIBUTES: 'service.version=7.1' };
  await world().caller('http://provider/echo', 50, { env });
  await world().called(leaving);
  await world().leave(leaving);
  const [goaway] = spansOf(await world().trace(leaving), 'goaway');
  expect(goaway?.tags).toMatchObject({
    'lossless.goaway.result': 'acked',
    'lossless.consumer.version': '7.1',
    'lossless.consumer.zone': 'eu-2',
  });
});
