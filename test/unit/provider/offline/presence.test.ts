import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { type Presence, Presences } from '../../../../src/provider/offline/presence.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance, aServiceName } from '../../../support/an-instance.ts';

const service = 'shop';
const own = anInstance({ service, instanceId: 'own', host: '192.0.2.1' });
const other = anInstance({ service, instanceId: 'other', host: '192.0.2.1' });
const pod = (host: string): Instance => anInstance({ service, instanceId: `pod-${host}`, generation: 0, host });

test.each<[string, readonly Instance[], Presence]>([
  ['no instance of its service is listed', [], 'nobody'],
  ['the instance is listed', [own, other], 'listed'],
  ['other instances are listed', [other], 'others'],
  ['another writer has listed its host', [other, pod('192.0.2.1')], 'listed'],
  ['another writer has listed other hosts', [pod('192.0.2.2'), pod('192.0.2.3')], 'others'],
])('when %s', async (_, listed, expected) => {
  const registry = await openRegistry(new URL(`memory:${aServiceName()}`), { clock: systemClock, log: () => {} });
  for (const instance of listed) await registry.register(instance);
  const caller = { service, instanceId: 'own', generation: 1, port: 54_199 };
  const presences = new Presences(registry, systemClock);
  expect(await presences.of({ caller, address: '192.0.2.1' })).toBe(expected);
  expect(await presences.of({ caller, address: '::ffff:192.0.2.1' })).toBe(expected);
  await registry.close();
});
