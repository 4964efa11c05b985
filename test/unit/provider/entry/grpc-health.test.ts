import { expect, test } from 'vitest';
import { Guard } from '../../../../src/guard.ts';
import type { LifecycleRecord } from '../../../../src/lifecycle/records.ts';
import { GrpcHealth } from '../../../../src/provider/entry/grpc-health.ts';
import { healthPackage } from '../../../support/grpc/health.ts';

const moved = (trigger: 'offline' | 'online'): LifecycleRecord =>
  ({ kind: 'transition', at: { wall: 0, mono: 0 }, from: 'serving', to: 'notifying', trigger }) as never;

test('no service of gRPC serves while the instance leaves, and with an undo each has the status that the application wants', () => {
  const subject = new GrpcHealth(new Guard(() => {}));
  const loaded = healthPackage();
  subject.adopt(loaded);
  const health = new loaded.HealthImplementation({ echo: 'SERVING', other: 'SERVING' });
  health.addToServer({ addService: () => {} } as never);
  const statuses = (of = health) => Object.fromEntries((of as unknown as { statusMap: Map<string, string> }).statusMap);
  subject.sink(moved('offline'));
  health.setStatus('other', 'UNKNOWN');
  health.setStatus('late', 'SERVING');
  expect(statuses()).toEqual({ echo: 'NOT_SERVING', other: 'NOT_SERVING', late: 'NOT_SERVING' });
  subject.sink(moved('online'));
  expect(statuses()).toEqual({ echo: 'SERVING', other: 'UNKNOWN', late: 'SERVING' });
  health.setStatus('echo', 'NOT_SERVING');
  health.setStatus('other', 'SERVING');
  expect(statuses()).toEqual({ echo: 'NOT_SERVING', other: 'SERVING', late: 'SERVING' });
});

test('a version of another shape is left alone', () => {
  const subject = new GrpcHealth(new Guard(() => {}));
  expect(() => subject.adopt({ Implementation: class {} })).not.toThrow();
});
