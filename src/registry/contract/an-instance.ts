import { randomBytes } from 'node:crypto';
import { systemClock } from '../../lifecycle/clock.ts';
import type { Instance } from '../registry.ts';

/** An instance with every field set, like no other. */
export function anInstance(fields: Partial<Instance> = {}): Instance {
  const now = systemClock.wall();
  return {
    service: aServiceName(),
    instanceId: `127.0.0.1:${randomBytes(6).toString('hex')}`,
    generation: now - 1_000,
    host: '127.0.0.1',
    port: 8080,
    scheme: 'http',
    weight: 100,
    registeredAt: now,
    metadata: {},
    ...fields,
  };
}

/** A name that no other test uses. */
export function aServiceName(): string {
  return `t-${randomBytes(6).toString('hex')}`;
}
