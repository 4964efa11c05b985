import { afterEach, expect, test } from 'vitest';
import { FakeNacos } from '../support/fakes/fake-nacos.ts';
import { useWorld } from '../support/process/world.ts';

const world = useWorld();

const nacos: FakeNacos[] = [];
afterEach(async () => {
  await Promise.all(nacos.splice(0).map((server) => server.close()));
});

const ODD = [
  '[::1]',
  '::1%lo',
  ' 127.0.0.9',
  'http://127.0.0.9',
  '127.0.0.9:80',
  '127.0\n.0.9',
  'a b',
  '169.254.169.254',
  '',
];

test.each(['fetch', 'http'])('entries with odd addresses beside a good one fail no call of %s', async (client) => {
  const provider = await world().service('provider');
  const server = await FakeNacos.start();
  nacos.push(server);
  const entry = { healthy: true, enabled: true, weight: 1, metadata: { zone: null, count: 1 } };
  // Nothing listens on that port, so an accepted odd entry refuses the call.
  server.hosts = [
    { ...entry, ip: '127.0.0.1', port: String(provider.port) },
    ...ODD.map((ip) => ({ ...entry, ip, port: 1 })),
  ];
  const env = { LOSSLESS_REGISTRY: `nacos://127.0.0.1:${server.port}?push=false`, LOSSLESS_WARMUP_MS: '0' };
  const caller = await world().caller('http://provider/echo', 50, { client, env });
  const { sent, failed, reasons } = await caller.stop();
  expect({ failed, reasons }).toEqual({ failed: 0, reasons: {} });
  expect(sent).toBeGreaterThanOrEqual(20);
  expect(await world().served(provider)).toBe(sent);
  expect(caller.child.stderr.match(/is skipped/g)).toHaveLength(6);
});
