import { expect, test } from 'vitest';
import type { Instance } from '../../../src/registry/registry.ts';
import { type Backend, ServerRegistry } from '../../../src/registry/server-registry.ts';
import { anInstance } from '../../support/an-instance.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

test('a watch whose first list comes after the close is refused and asks nothing more', async () => {
  const clock = new SimulatedClock();
  const first = Promise.withResolvers<readonly Instance[]>();
  let rounds = 0;
  const backend: Backend = {
    type: 'test',
    title: 'Test',
    address: '',
    capabilities: { push: false, lagMs: 0, expires: true },
    beatMs: 1_000,
    failure: undefined,
    write: async () => {},
    beat: async () => {},
    remove: async () => {},
    list: async () => [],
    rounds: () => async (deliver) => {
      rounds++;
      deliver(await first.promise);
      return 100;
    },
  };
  const registry = new ServerRegistry(backend, { clock, log: () => {} });
  const lists: (readonly Instance[])[] = [];
  const watching = registry.watch('shop', (list) => lists.push(list));
  const refused = expect(watching).rejects.toThrow('it was ended before its first list');
  await registry.close();
  first.resolve([anInstance()]);
  await refused;
  await clock.advance(10_000);
  expect(rounds).toBe(1);
  expect(clock.pending).toBe(0);
});
