import { describe, expect, test } from 'vitest';
import type { RegistryBackend } from '../../../../src/registry/module/backend.ts';
import { CheckedBackend } from '../../../../src/registry/module/checked-backend.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { Secrets } from '../../../../src/registry/secrets.ts';
import { ServerRegistry } from '../../../../src/registry/server-registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** A registry with this backend, on a simulated clock. */
function registryOf(parts: Partial<RegistryBackend>) {
  const [clock, logged] = [new SimulatedClock(), [] as string[]];
  const context = {
    clock,
    secrets: new Secrets(),
    log: (_: unknown, message: string): void => void logged.push(message),
  };
  const backend: RegistryBackend = {
    title: 'Own',
    address: 'there',
    capabilities: { push: false, lagMs: 0, expires: true },
    beatMs: 1_000,
    write: async () => {},
    beat: async () => {},
    remove: async () => {},
    list: async () => [],
    rounds: () => async (deliver) => {
      deliver([]);
      return 1_000;
    },
    ...parts,
  };
  const registry: Registry = new ServerRegistry(new CheckedBackend('own', backend, context), context);
  return { registry, clock, logged };
}

const never = (): Promise<never> => new Promise(() => {});
/** Values that the types forbid and a module may still return. */
const odd = (value: unknown): never => value as never;

describe('the plugin checks what a backend answers', () => {
  test('a call without an answer has failed after three seconds, and the failure lasts until an answer', async () => {
    let isDead = true;
    const list = async (): Promise<[]> => (isDead ? never() : []);
    const { registry, clock } = registryOf({ write: never, remove: never, list, rounds: () => never });
    const calls = [
      registry.register(anInstance()),
      registry.deregister(anInstance()),
      registry.instances('shop'),
      registry.watch('shop', () => {}),
    ];
    const refused = calls.map((call) =>
      expect(call).rejects.toMatchObject({
        code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
        message: expect.stringMatching(
          /the Own registry at there cannot be used: its \w+ has not ended within 3000 ms/,
        ),
      }),
    );
    await clock.advance(20_000);
    await Promise.all(refused);
    expect(registry.failure).toMatchObject({ since: expect.any(Number) });
    isDead = false;
    expect(await registry.instances('shop')).toEqual([]);
    expect(registry.failure).toBeUndefined();
  });

  test.each([
    ['nothing', undefined],
    ['an object', {}],
    ['a text', 'shop'],
    ['too many', Array(100_001)],
  ])('%s is not a list', async (_, given) => {
    const { registry } = registryOf({
      list: async () => odd(given),
      rounds: () => async (deliver) => {
        deliver(odd(given));
        return 1;
      },
    });
    const unavailable = { code: 'LOSSLESS_REGISTRY_UNAVAILABLE', message: expect.stringMatching(/expected/) };
    await expect(registry.instances('shop')).rejects.toMatchObject(unavailable);
    await expect(registry.watch('shop', () => {})).rejects.toMatchObject(unavailable);
  });

  test('invalid entries are skipped, each with one log line', async () => {
    const sound = anInstance({ service: 'shop', uid: 'pod-1' });
    const list = [
      null,
      7,
      [],
      {},
      { ...sound, instanceId: 'of-another', service: 'cart' },
      { ...sound, instanceId: 'no-port', port: 70_000 },
      { ...sound, instanceId: 'metadata', host: '169.254.169.254' },
      sound,
    ];
    const { registry, logged } = registryOf({ list: async () => odd(list) });
    expect(await registry.instances('shop')).toEqual([sound]);
    expect(await registry.instances('shop')).toEqual([sound]);
    expect(logged).toHaveLength(4);
    expect(logged).toContainEqual(
      expect.stringMatching(/^the Own entry of-another is skipped: it is of another service/),
    );
  });

  test.each([
    ['no round', () => odd(undefined)],
    [
      'a throw',
      () => {
        throw new Error('no rounds');
      },
    ],
    ['a round without a list', () => async () => 1],
    ['a round without a pause', () => odd(async (deliver: (list: []) => void) => deliver([]))],
    ['a round with an endless pause', () => odd(async () => Number.NaN)],
  ])('a watch with %s fails at first, or goes on with its last list', async (_, rounds) => {
    const { registry } = registryOf({ rounds });
    const lists: unknown[] = [];
    await registry.watch('shop', (list) => lists.push(list)).catch((thrown) => lists.push(thrown.code));
    expect([[[]], ['LOSSLESS_REGISTRY_UNAVAILABLE']]).toContainEqual(lists);
    await registry.close();
  });

  test('a round that fails after its list begins again, and its late lists are ignored', async () => {
    let tellLate = (_list: readonly never[]): void => {};
    let rounds = 0;
    const one = anInstance({ service: 'shop' });
    const { registry, clock, logged } = registryOf({
      rounds: () => async (deliver) => {
        if (rounds++ > 0) {
          deliver([one]);
          return 1_000;
        }
        tellLate = deliver;
        deliver([]);
        throw new Error('connection lost');
      },
    });
    const lists: unknown[] = [];
    await registry.watch('shop', (list) => lists.push(list));
    await clock.advance(1_000);
    tellLate([]);
    expect(lists).toEqual([[], [one]]);
    expect(logged).toContainEqual(expect.stringContaining('the last list stays: connection lost'));
    expect(registry.failure).toBeUndefined();
    await registry.close();
  });

  test('an error after the end of the watch does not count as a failure', async () => {
    const { registry, clock } = registryOf({
      rounds: () => (deliver, signal) => {
        deliver([]);
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    const stop = await registry.watch('shop', () => {});
    stop();
    await clock.advance(10_000);
    expect(registry.failure).toBeUndefined();
  });
});
