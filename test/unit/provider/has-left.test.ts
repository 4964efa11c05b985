import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { hasLeft } from '../../../src/provider/has-left.ts';
import { openRegistry } from '../../../src/registry/open.ts';
import type { Instance } from '../../../src/registry/registry.ts';
import { anInstance, aServiceName } from '../../fixtures/registry/instance.ts';

const service = 'shop';
const own = anInstance({ service, instanceId: 'own', host: '192.0.2.1' });
const other = anInstance({ service, instanceId: 'other', host: '192.0.2.1' });
const pod = (host: string): Instance => anInstance({ service, instanceId: `pod-${host}`, generation: 0, host });

test.each<[string, readonly Instance[], boolean]>([
  ['nobody is listed: nothing is known', [], false],
  ['it is listed', [own, other], false],
  ['others are listed', [other], true],
  ['something else has listed its host', [other, pod('192.0.2.1')], false],
  ['something else has listed other hosts', [pod('192.0.2.2'), pod('192.0.2.3')], true],
])('%s', async (_, listed, expected) => {
  const registry = await openRegistry(new URL(`memory:${aServiceName()}`), { clock: systemClock, log: () => {} });
  for (const instance of listed) await registry.register(instance);
  const caller = { service, instanceId: 'own', generation: 1, port: 54_199 };
  expect(await hasLeft(registry, { caller, address: '192.0.2.1' })).toBe(expected);
  expect(await hasLeft(registry, { caller, address: '::ffff:192.0.2.1' })).toBe(expected);
  await registry.close();
});
