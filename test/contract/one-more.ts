import { expect } from 'vitest';
import type { Registry } from '../../src/registry/registry.ts';
import { anInstance } from '../support/an-instance.ts';
import { until } from '../support/until.ts';

/** One more instance of a service that has `count` comes and goes in the lists of who watches it. @returns how long each list was */
export async function showsOneMore(registry: Registry, service: string, count: number): Promise<readonly number[]> {
  expect(await registry.instances(service)).toHaveLength(count);
  const lengths: number[] = [];
  await registry.watch(service, (list) => lengths.push(list.length));
  expect(lengths.at(-1)).toBe(count);
  const one = anInstance({ service, port: 9_999 });
  await registry.register(one);
  await until(() => lengths.at(-1) === count + 1);
  await registry.deregister(one);
  await until(() => lengths.at(-1) === count);
  return lengths;
}
