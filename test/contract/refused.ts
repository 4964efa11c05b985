import { expect } from 'vitest';
import type { Registry } from '../../src/registry/registry.ts';
import { anInstance } from '../support/an-instance.ts';

export interface Refusal {
  /** What each call fails with. */
  readonly says: RegExp;
  /** Texts that neither failures nor the log may contain. */
  readonly secret: RegExp;
  /** Lines that the registry has logged. */
  readonly logged: readonly string[];
  /** Whether it refuses to list, too. Default: it does. */
  readonly reads?: boolean;
}

/** Each call of a registry whose server refuses its credentials is a clear error without them. Closes the registry. */
export async function isRefused(registry: Registry, { says, secret, logged, reads = true }: Refusal): Promise<void> {
  const instance = anInstance();
  const calls = [
    () => registry.register(instance),
    ...(reads ? [() => registry.instances(instance.service)] : []),
    () => registry.watch(instance.service, () => {}),
    () => registry.deregister(instance),
  ];
  const told: string[] = [];
  for (const call of calls) {
    const failure = (await call().catch((thrown: Error) => thrown)) as Error;
    expect(failure).toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
    expect(failure.message).toMatch(says);
    told.push(failure.message, registry.failure?.message ?? '', registry.address);
  }
  expect([...logged, ...told].join('\n')).not.toMatch(secret);
  await registry.close();
}
