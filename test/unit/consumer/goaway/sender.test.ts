import { afterEach, expect, test, vi } from 'vitest';
import type { Consumer } from '../../../../src/consumer/consumer.ts';
import { normalise, SenderCheck } from '../../../../src/consumer/goaway/sender.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

afterEach(() => vi.restoreAllMocks());

test('names are looked up for a bounded number of GoAways at a time, addresses are compared for all', async () => {
  const resolved = Promise.withResolvers<{ address: string; family: number }[]>();
  const lookup = vi
    .spyOn(process.getBuiltinModule('node:dns/promises'), 'lookup')
    .mockImplementation((() => resolved.promise) as never);
  const instances = vi.fn(async () => []);
  const consumer = { hostsOf: () => ['pod.example', '192.0.2.2'] } as unknown as Consumer;
  const senders = new SenderCheck(consumer, { instances } as unknown as Registry, new SimulatedClock());
  const provider = { service: 's', instanceId: 'i', generation: 1, address: 'pod.example:1' };
  const checks = Array.from({ length: 100 }, () => senders.check(provider, '192.0.2.1'));
  expect(await senders.check(provider, '192.0.2.2')).toBe('named');
  expect(lookup).toHaveBeenCalledTimes(32);
  resolved.resolve([{ address: '192.0.2.1', family: 4 }]);
  const found = await Promise.all(checks);
  expect(found.filter((sender) => sender === 'named')).toHaveLength(32);
  expect(await senders.check(provider, '192.0.2.1')).toBe('named');
  expect(instances).not.toHaveBeenCalled();
});

test.each([
  ['127.0.0.1', 'loopback'],
  ['127.8.8.8', 'loopback'],
  ['::1', 'loopback'],
  ['localhost', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::FFFF:10.0.0.5', '10.0.0.5'],
  ['10.0.0.5', '10.0.0.5'],
  ['fe80::1%eth0', 'fe80::1'],
  ['127.0.0.1.example', '127.0.0.1.example'],
  ['1270.0.0.1', '1270.0.0.1'],
])('the host %s is spelt %s', (host, spelling) => {
  expect(normalise(host)).toBe(spelling);
});
