import { expect } from 'vitest';
import type { Registry } from '../../src/registry/registry.ts';
import { anInstance } from '../fixtures/registry/instance.ts';
import type { Child } from '../support/child.ts';

/**
 * A Go program with the types of kratos lists what is registered here, and the other way round.
 *
 * @param go runs it: `list <service>`, or `register <service> <id> <endpoint>` until its input ends
 */
export async function agreesWithKratos(registry: Registry, go: (...args: string[]) => Child): Promise<void> {
  const instance = anInstance({ metadata: { version: '1.2' } });
  const { instanceId, port, service } = instance;
  await registry.register(instance);
  const listing = go('list', service);
  expect(await listing.ends()).toMatchObject({ code: 0 });
  expect(JSON.parse(listing.stdout)).toEqual([
    {
      id: instanceId,
      name: service,
      version: '1.2',
      metadata: { version: '1.2' },
      endpoints: [`http://127.0.0.1:${port}`],
    },
  ]);
  await registry.deregister(instance);
  const registered = go('register', service, 'go-1', 'http://192.0.2.1:8000');
  await registered.sees(/registered/);
  expect(await registry.instances(service)).toMatchObject([
    { instanceId: 'go-1', generation: 0, host: '192.0.2.1', port: 8_000, weight: 20 },
  ]);
  registered.process.stdin?.end();
  expect(await registered.ends()).toMatchObject({ code: 0 });
  expect(await registry.instances(service)).toEqual([]);
}
