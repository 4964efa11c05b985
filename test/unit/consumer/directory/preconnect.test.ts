import { expect, test } from 'vitest';
import { preconnect } from '../../../../src/consumer/directory/preconnect.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { aDirectory } from './a-directory.ts';

// Without a listener, which refuses a connection at once.
const INSTANCE = anInstance({ service: 'service-b', instanceId: 'b1', generation: 1, port: 1, registeredAt: 0 });

/** A start that has called service-b last time, with a registry that fails so many times to read its list. */
function start(failures: number) {
  const clock = new SimulatedClock();
  let left = failures;
  const registry = {
    watch: async (_, listener) => {
      if (left-- > 0) throw new Error('no answer');
      listener([INSTANCE]);
      return () => {};
    },
  } as Pick<Registry, 'watch'> as Registry;
  const directory = aDirectory({ registry, clock });
  return { clock, directory, preconnected: preconnect(['service-b'], directory, clock) };
}

test('an instance joins only after the registry has listed the services that it calls', async () => {
  const { clock, directory, preconnected } = start(3);
  // Waits of half a second, one second and two between the attempts.
  await clock.advance(3_600);
  expect(await preconnected).toMatchObject({ services: 1, planned: 1 });
  directory.close();
});

test('an instance joins without these lists after ten seconds', async () => {
  const { clock, directory, preconnected } = start(Number.POSITIVE_INFINITY);
  await clock.advance(10_000);
  expect(await preconnected).toEqual({ services: 0, planned: 0, connected: 0, failed: 0 });
  directory.close();
});
