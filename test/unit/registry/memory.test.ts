import { expect, test } from 'vitest';
import { memoryRegistry } from '../../../src/registry/memory.ts';
import { anInstance } from '../../support/an-instance.ts';

test('names keep lists apart', async () => {
  const [one, same, other] = ['memory:one', 'memory:one', 'memory:other'].map((url) => memoryRegistry(new URL(url)));
  const instance = anInstance();
  await one?.register(instance);
  expect(await same?.instances(instance.service)).toEqual([instance]);
  expect(await other?.instances(instance.service)).toEqual([]);
  await one?.deregister(instance);
});

test('an entry does not change when its object does', async () => {
  const registry = memoryRegistry(new URL('memory:copies'));
  const metadata = { zone: 'a' };
  const instance = anInstance({ metadata });
  await registry.register(instance);
  metadata.zone = 'b';
  expect((await registry.instances(instance.service))[0]?.metadata).toEqual({ zone: 'a' });
});
