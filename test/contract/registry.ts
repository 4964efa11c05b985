import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { anInstance, aServiceName } from '../support/an-instance.ts';
import { pause, until } from '../support/until.ts';

/** A process of its own that has registered an instance. */
export interface OtherProcess {
  /** Ends it with SIGKILL. */
  kill(): void;
}

/** What the suite needs of an adapter. Every test uses service names of its own, so one real server serves all of them. */
export interface Subject {
  /** A client of its own of the same registry, as another process has one. Closed by the suite. */
  open(): Promise<Registry>;
  /** Puts an entry into the list of a service that no client can have written. */
  corrupt?(service: string): Promise<void>;
  /** Makes the registry fail every call; the returned function mends it, entries included. */
  breakDown?(service: string): Promise<() => Promise<void>>;
  /** Starts a process that registers `instance`; resolves when it has. Wanted when entries expire. */
  otherProcess?(instance: Instance): Promise<OtherProcess>;
  /** Longest time until the entry of a killed process is gone, in milliseconds. */
  readonly expiryMs?: number;
  /** Longest interval between two heartbeats, in milliseconds: how long to look for an entry that comes back. */
  readonly heartbeatMs: number;
}

/** Added to every time that is promised: the machine that runs the tests is busy. */
const SLACK_MS = 3_000;

/** Ends of service names that configuration admits, the longest included. */
const NAMES = ['a', 'Service-B', 'service.b_1', 'n'.repeat(128)];

const ODD_IDS = [
  'host:1:abc',
  '../../etc/passwd',
  'a/b\\c',
  '.',
  'ünïcode ☃ 漢字 😀',
  ' blank ',
  'x'.repeat(300),
  '%2e%2e',
  'CON',
  '__proto__',
];

/**
 * The rules of a registry, as tests. Every adapter passes all of them against the real thing.
 *
 * @param name of the adapter, as the reports show it
 */
export function testRegistry(name: string, subject: Subject): void {
  describe(`registry ${name}`, () => {
    const opened: Registry[] = [];
    const open = async (): Promise<Registry> => {
      const registry = await subject.open();
      opened.push(registry);
      return registry;
    };
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((registry) => registry.close()));
    });

    test('an unknown service is an empty list', async () => {
      const registry = await open();
      expect(await registry.instances(aServiceName())).toEqual([]);
    });

    test('what was registered is listed, every field of it, by every client', async () => {
      const [one, other] = [await open(), await open()];
      const instance = anInstance({
        scheme: 'https',
        weight: 40,
        metadata: { zone: 'eu-1', 'weird key': 'ünïcode "☃"\n', empty: '' },
      });
      await one.register(instance);
      expect(await one.instances(instance.service)).toEqual([instance]);
      await eventually(other, instance.service, [instance]);
    });

    test('the endpoints of an instance are listed, beside labels of its user, and can change', async () => {
      const [one, other] = [await open(), await open()];
      const http = { protocol: 'http', port: 8080, secure: false } as const;
      const grpc = { protocol: 'grpc', port: 9090, secure: true } as const;
      const both = anInstance({ endpoints: [http, grpc], metadata: { zone: 'eu-1', gRPC_port: 'mine' } });
      await one.register({ ...both, endpoints: [http] });
      await eventually(other, both.service, [{ ...both, endpoints: [http] }]);
      await one.register(both);
      expect(await one.instances(both.service)).toEqual([both]);
      await eventually(other, both.service, [both]);
      const grpcAlone = { ...both, port: 9090, scheme: 'https', endpoints: [grpc] } as const;
      const third = anInstance({ ...grpcAlone, service: aServiceName() });
      await one.register(third);
      await eventually(other, third.service, [third]);
    });

    test('registering the same instance again replaces its entry', async () => {
      const registry = await open();
      const instance = anInstance();
      const newer = { ...instance, generation: instance.generation + 1, weight: 7, metadata: { version: '2' } };
      await registry.register(instance);
      await registry.register(instance);
      await registry.register(newer);
      expect(await registry.instances(instance.service)).toEqual([newer]);
    });

    test('deregistering removes the entry for every client, twice does no harm, and it can come back', async () => {
      const [one, other] = [await open(), await open()];
      const [leaving, staying] = twins();
      await one.register(leaving);
      await other.register(staying);
      await one.deregister(leaving);
      await one.deregister(leaving);
      expect(await one.instances(leaving.service)).toEqual([staying]);
      await eventually(other, leaving.service, [staying]);
      await one.register(leaving);
      await eventually(other, leaving.service, inOrder([leaving, staying]));
    });

    test('deregistering what was never registered does no harm', async () => {
      const registry = await open();
      const [known, unknown] = twins();
      await registry.register(known);
      await registry.deregister(unknown);
      await registry.deregister(anInstance());
      expect(await registry.instances(known.service)).toEqual([known]);
    });

    test('services do not mix, also when one name begins with another', async () => {
      const registry = await open();
      const short = anInstance();
      const long = anInstance({ service: `${short.service}-2`, instanceId: short.instanceId });
      await registry.register(short);
      await registry.register(long);
      expect(await registry.instances(short.service)).toEqual([short]);
      expect(await registry.instances(long.service)).toEqual([long]);
      await registry.deregister(short);
      expect(await registry.instances(short.service)).toEqual([]);
      expect(await registry.instances(long.service)).toEqual([long]);
    });

    test.each(NAMES)('the service name %j is kept', async (tail) => {
      const registry = await open();
      const service = `${aServiceName()}${tail}`.slice(0, 128);
      const instance = anInstance({ service });
      await registry.register(instance);
      expect(await registry.instances(service)).toEqual([instance]);
      await registry.deregister(instance);
      expect(await registry.instances(service)).toEqual([]);
    });

    test('instance ids are text like any other', async () => {
      const registry = await open();
      const service = aServiceName();
      const instances = ODD_IDS.map((instanceId, i) => anInstance({ service, instanceId, port: 8000 + i }));
      for (const instance of instances) await registry.register(instance);
      expect(inOrder(await registry.instances(service))).toEqual(inOrder(instances));
      for (const instance of instances) await registry.deregister(instance);
      expect(await registry.instances(service)).toEqual([]);
    });

    test('lists have a stable order', async () => {
      const registry = await open();
      const service = aServiceName();
      for (let i = 0; i < 10; i++) await registry.register(anInstance({ service, port: 8_080 + i }));
      const first = await registry.instances(service);
      expect(first).toHaveLength(10);
      await registry.register({ ...(first[4] as Instance), weight: 1 });
      expect((await registry.instances(service)).map(idOf)).toEqual(first.map(idOf));
    });

    test('200 registrations at the same time are all listed', async () => {
      const clients = [await open(), await open(), await open(), await open()];
      const service = aServiceName();
      const instances = Array.from({ length: 200 }, (_, i) => anInstance({ service, port: 10_000 + i }));
      await Promise.all(instances.map((instance, i) => (clients[i % 4] as Registry).register(instance)));
      await until(async () => (await (clients[0] as Registry).instances(service)).length === 200);
      expect(inOrder(await (clients[1] as Registry).instances(service))).toEqual(inOrder(instances));
      await Promise.all(instances.map((instance, i) => (clients[i % 4] as Registry).deregister(instance)));
      await until(async () => (await (clients[2] as Registry).instances(service)).length === 0);
    });

    test('a watch has its first list before it resolves, an empty one too', async () => {
      const registry = await open();
      const instance = anInstance();
      await registry.register(instance);
      const full = recorder();
      await registry.watch(instance.service, full.listener);
      expect(full.lists).toEqual([[instance]]);
      const empty = recorder();
      await registry.watch(aServiceName(), empty.listener);
      expect(empty.lists).toEqual([[]]);
    });

    test('a watch sees what another client adds, changes and removes, in time, as full lists', async () => {
      const [watching, changing] = [await open(), await open()];
      const [first, second] = twins();
      const seen = recorder();
      await watching.watch(first.service, seen.listener);
      const within = watching.capabilities.lagMs + SLACK_MS;
      await changing.register(first);
      await seen.shows([first], within);
      await changing.register(second);
      await seen.shows(inOrder([first, second]), within);
      await changing.register({ ...first, weight: 3 });
      await seen.shows(inOrder([{ ...first, weight: 3 }, second]), within);
      await changing.deregister(first);
      await seen.shows([second], within);
      await changing.deregister(second);
      await seen.shows([], within);
    });

    test('a watch delivers nothing when nothing has changed', async () => {
      const [watching, changing] = [await open(), await open()];
      const [watched, unrelated] = [anInstance(), anInstance()];
      await changing.register(watched);
      const seen = recorder();
      await watching.watch(watched.service, seen.listener);
      await changing.register(watched);
      await changing.register(unrelated);
      await changing.register({ ...watched, weight: 55 });
      await seen.shows([{ ...watched, weight: 55 }], watching.capabilities.lagMs + SLACK_MS);
      expect(seen.lists).toEqual([[watched], [{ ...watched, weight: 55 }]]);
    });

    test('a stopped watch is silent, another of the same service is not', async () => {
      const registry = await open();
      const instance = anInstance();
      const [stopped, going] = [recorder(), recorder()];
      const stop = await registry.watch(instance.service, stopped.listener);
      await registry.watch(instance.service, going.listener);
      stop();
      stop();
      await registry.register(instance);
      await going.shows([instance], registry.capabilities.lagMs + SLACK_MS);
      expect(stopped.lists).toEqual([[]]);
    });

    test('a watch can be stopped by its own listener', async () => {
      const registry = await open();
      const instance = anInstance();
      const [once, going] = [recorder(), recorder()];
      const stop = await registry.watch(instance.service, (list) => {
        once.listener(list);
        if (list.length > 0) stop();
      });
      await registry.watch(instance.service, going.listener);
      await registry.register(instance);
      await once.shows([instance], registry.capabilities.lagMs + SLACK_MS);
      await going.shows([instance], registry.capabilities.lagMs + SLACK_MS);
      await registry.deregister(instance);
      await going.shows([], registry.capabilities.lagMs + SLACK_MS);
      expect(once.lists).toEqual([[], [instance]]);
    });

    test('a listener that throws keeps nobody from a list, itself included', async () => {
      const registry = await open();
      const instance = anInstance();
      const [broken, sound] = [recorder(), recorder()];
      await registry.watch(instance.service, (list) => {
        broken.listener(list);
        throw new Error('the listener is broken');
      });
      await registry.watch(instance.service, sound.listener);
      await registry.register(instance);
      await sound.shows([instance], registry.capabilities.lagMs + SLACK_MS);
      await broken.shows([instance], registry.capabilities.lagMs + SLACK_MS);
    });

    test('a closed client delivers nothing and leaves its entries alone', async () => {
      const [closing, other] = [await open(), await open()];
      const instance = anInstance();
      const [silent, going] = [recorder(), recorder()];
      await closing.watch(instance.service, silent.listener);
      await other.watch(instance.service, going.listener);
      await closing.close();
      await closing.close();
      await other.register(instance);
      await going.shows([instance], other.capabilities.lagMs + SLACK_MS);
      expect(silent.lists).toEqual([[]]);
      await other.close();
      const third = await open();
      expect(await third.instances(instance.service)).toEqual([instance]);
      await third.deregister(instance);
    });

    test('R12: a list that is read after a deregistration was confirmed is not older than it', async () => {
      const [one, other] = [await open(), await open()];
      const [leaving, staying] = twins();
      for (let round = 0; round < 20; round++) {
        await one.register(leaving);
        await one.register(staying);
        await one.deregister(leaving);
        await until(async () => !(await one.instances(leaving.service)).some((entry) => idOf(entry) === idOf(leaving)));
        expect(await other.instances(leaving.service)).toEqual([staying]);
      }
    });

    test('R28: the last call wins, and nothing registers again after deregistration', async () => {
      const [one, other] = [await open(), await open()];
      const service = aServiceName();
      const seen = recorder();
      await other.watch(service, seen.listener);
      const instances = Array.from({ length: 50 }, (_, i) => anInstance({ service, port: 20_000 + i }));
      for (const instance of instances) {
        const registering = [one.register(instance), one.register({ ...instance, weight: 1 })];
        const leaving = one.deregister(instance);
        await Promise.all([...registering, leaving]);
      }
      expect(await one.instances(service)).toEqual([]);
      await eventually(other, service, []);
      await seen.shows([], other.capabilities.lagMs + SLACK_MS);
      const heard = seen.lists.length;
      await pause(subject.heartbeatMs * 2);
      expect(await other.instances(service)).toEqual([]);
      expect(seen.lists.slice(heard)).toEqual([]);
    });

    const { corrupt, breakDown, otherProcess, expiryMs } = subject;

    test.runIf(corrupt)('an entry that cannot be read is passed over, and left alone', async () => {
      const [watching, changing] = [await open(), await open()];
      const [first, second] = twins();
      await changing.register(first);
      const seen = recorder();
      await watching.watch(first.service, seen.listener);
      await corrupt?.(first.service);
      expect(await watching.instances(first.service)).toEqual([first]);
      await changing.register(second);
      await seen.shows(inOrder([first, second]), watching.capabilities.lagMs + SLACK_MS);
      await changing.deregister(first);
      await seen.shows([second], watching.capabilities.lagMs + SLACK_MS);
    });

    test.runIf(breakDown)('when the registry fails, calls say so and a watch keeps the last good list', async () => {
      const [watching, changing] = [await open(), await open()];
      const [first, second] = twins();
      await changing.register(first);
      const seen = recorder();
      await watching.watch(first.service, seen.listener);
      const mend = await breakDown?.(first.service);
      const unavailable = { name: 'LosslessError', code: 'LOSSLESS_REGISTRY_UNAVAILABLE' };
      await expect(changing.register(second)).rejects.toMatchObject(unavailable);
      await expect(watching.instances(first.service)).rejects.toMatchObject(unavailable);
      await expect(watching.watch(first.service, () => {})).rejects.toMatchObject(unavailable);
      await pause(watching.capabilities.lagMs * 3);
      expect(seen.lists).toEqual([[first]]);
      await mend?.();
      await until(async () =>
        changing.register(second).then(
          () => true,
          () => false,
        ),
      );
      await seen.shows(inOrder([first, second]));
    });

    test.runIf(otherProcess)('what another process registers is listed, and gone when it is killed', async () => {
      const registry = await open();
      const [here, there] = twins();
      await registry.register(here);
      const seen = recorder();
      await registry.watch(here.service, seen.listener);
      const other = await otherProcess?.(there);
      await seen.shows(inOrder([here, there]), registry.capabilities.lagMs + SLACK_MS);
      expect(registry.capabilities.expires).toBe(true);
      other?.kill();
      await seen.shows([here], (expiryMs ?? 0) + SLACK_MS);
      expect(await registry.instances(here.service)).toEqual([here]);
    });
  });
}

function twins(): [Instance, Instance] {
  const first = anInstance();
  return [first, anInstance({ service: first.service, port: first.port + 1 })];
}

function idOf({ instanceId }: Instance): string {
  return instanceId;
}

function inOrder(instances: readonly Instance[]): readonly Instance[] {
  return [...instances].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}

/** What a listener was given. */
function recorder() {
  const lists: (readonly Instance[])[] = [];
  return {
    lists,
    listener: (list: readonly Instance[]): void => void lists.push(list),
    async shows(expected: readonly Instance[], withinMs?: number): Promise<void> {
      try {
        await until(() => isDeepStrictEqual(inOrder(lists.at(-1) ?? []), expected), withinMs);
      } catch {
        expect(lists.at(-1), `not seen within ${withinMs} ms`).toEqual(expected);
      }
    },
  };
}

/** Another client sees it now, or within the lag of the registry. */
async function eventually(registry: Registry, service: string, expected: readonly Instance[]): Promise<void> {
  const list = async (): Promise<readonly Instance[]> => inOrder(await registry.instances(service));
  try {
    await until(async () => isDeepStrictEqual(await list(), expected), registry.capabilities.lagMs + SLACK_MS);
  } catch {
    expect(await registry.instances(service)).toEqual(expected);
  }
}
