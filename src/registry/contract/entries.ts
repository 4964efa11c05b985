import { deepEqual, equal } from 'node:assert/strict';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import type { Instance, Registry } from '../registry.ts';
import { anInstance, aServiceName } from './an-instance.ts';
import { eventually, idOf, inOrder, Recorder, SLACK_MS, taken, twins, until } from './seen.ts';
import type { Rule } from './subject.ts';

/** Suffixes of valid service names, the longest included. */
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

/** How entries are written, listed and removed. */
export const ENTRIES: readonly Rule[] = [
  {
    name: 'an unknown service is an empty list',
    async holds({ open }) {
      const registry = await open();
      deepEqual(await registry.instances(aServiceName()), []);
    },
  },
  {
    name: 'what was registered is listed, every field of it, by every client',
    async holds({ open }) {
      const [one, other] = [await open(), await open()];
      const instance = anInstance({
        scheme: 'https',
        weight: 40,
        metadata: { zone: 'eu-1', 'weird key': 'ünïcode "☃"\n', empty: '' },
      });
      await one.register(instance);
      deepEqual(await one.instances(instance.service), [instance]);
      await eventually(other, instance.service, [instance]);
    },
  },
  {
    name: 'the endpoints of an instance are listed, beside labels of its user, and can change',
    async holds({ open }) {
      const [one, other] = [await open(), await open()];
      const http = { protocol: 'http', port: 8080, secure: false } as const;
      const grpc = { protocol: 'grpc', port: 9090, secure: true } as const;
      const both = anInstance({ endpoints: [http, grpc], metadata: { zone: 'eu-1', gRPC_port: 'mine' } });
      await one.register({ ...both, endpoints: [http] });
      await eventually(other, both.service, [{ ...both, endpoints: [http] }]);
      await one.register(both);
      deepEqual(await one.instances(both.service), [both]);
      await eventually(other, both.service, [both]);
      const grpcAlone = { ...both, port: 9090, scheme: 'https', endpoints: [grpc] } as const;
      const third = anInstance({ ...grpcAlone, service: aServiceName() });
      await one.register(third);
      await eventually(other, third.service, [third]);
    },
  },
  {
    name: 'registering the same instance again replaces its entry',
    async holds({ open }) {
      const registry = await open();
      const instance = anInstance();
      const newer = { ...instance, generation: instance.generation + 1, weight: 7, metadata: { version: '2' } };
      await registry.register(instance);
      await registry.register(instance);
      await registry.register(newer);
      deepEqual(await registry.instances(instance.service), [newer]);
    },
  },
  {
    name: 'deregistering removes the entry for every client, twice does no harm, and it can come back',
    async holds({ open }) {
      const [one, other] = [await open(), await open()];
      const [leaving, staying] = twins();
      await one.register(leaving);
      await other.register(staying);
      await one.deregister(leaving);
      await one.deregister(leaving);
      deepEqual(await one.instances(leaving.service), [staying]);
      await eventually(other, leaving.service, [staying]);
      await one.register(leaving);
      await eventually(other, leaving.service, inOrder([leaving, staying]));
    },
  },
  {
    name: 'deregistering what was never registered does no harm',
    async holds({ open }) {
      const registry = await open();
      const [known, unknown] = twins();
      await registry.register(known);
      await registry.deregister(unknown);
      await registry.deregister(anInstance());
      deepEqual(await registry.instances(known.service), [known]);
    },
  },
  {
    name: 'services do not mix, also when one name begins with another',
    async holds({ open }) {
      const registry = await open();
      const short = anInstance();
      const long = anInstance({ service: `${short.service}-2`, instanceId: short.instanceId });
      await registry.register(short);
      await registry.register(long);
      deepEqual(await registry.instances(short.service), [short]);
      deepEqual(await registry.instances(long.service), [long]);
      await registry.deregister(short);
      deepEqual(await registry.instances(short.service), []);
      deepEqual(await registry.instances(long.service), [long]);
    },
  },
  ...NAMES.map(
    (tail): Rule => ({
      name: `the service name ${JSON.stringify(tail)} is kept`,
      async holds({ open }) {
        const registry = await open();
        const service = `${aServiceName()}${tail}`.slice(0, 128);
        const instance = anInstance({ service });
        await registry.register(instance);
        deepEqual(await registry.instances(service), [instance]);
        await registry.deregister(instance);
        deepEqual(await registry.instances(service), []);
      },
    }),
  ),
  {
    name: 'instance ids are text like any other',
    async holds({ open }) {
      const registry = await open();
      const service = aServiceName();
      const instances = ODD_IDS.map((instanceId, i) => anInstance({ service, instanceId, port: 8000 + i }));
      for (const instance of instances) await registry.register(instance);
      deepEqual(inOrder(await registry.instances(service)), inOrder(instances));
      for (const instance of instances) await registry.deregister(instance);
      deepEqual(await registry.instances(service), []);
    },
  },
  {
    name: 'lists have a stable order',
    async holds({ open }) {
      const registry = await open();
      const service = aServiceName();
      const instances = Array.from({ length: 10 }, (_, i) => anInstance({ service, port: 8_080 + i }));
      for (const instance of instances) await registry.register(instance);
      const first = await registry.instances(service);
      equal(first.length, 10);
      for (const again of instances.slice(4, 5)) await registry.register({ ...again, weight: 1 });
      deepEqual((await registry.instances(service)).map(idOf), first.map(idOf));
    },
  },
  {
    name: '200 registrations at the same time are all listed',
    async holds({ open }) {
      const [reader, ...others] = [await open(), await open(), await open(), await open()] as const;
      const clients = [reader, ...others];
      const service = aServiceName();
      const instances = Array.from({ length: 200 }, (_, i) => anInstance({ service, port: 10_000 + i }));
      const byAll = (work: (client: Registry, instance: Instance) => Promise<void>): Promise<unknown> =>
        Promise.all(instances.map((instance, i) => work(clients[i % clients.length] ?? reader, instance)));
      await byAll((client, instance) => taken(() => client.register(instance)));
      await until(async () => (await reader.instances(service)).length === instances.length);
      for (const client of clients) await eventually(client, service, inOrder(instances));
      await byAll((client, instance) => taken(() => client.deregister(instance)));
      await until(async () => (await reader.instances(service)).length === 0);
      for (const client of clients) await eventually(client, service, []);
    },
  },
  {
    name: 'R12: a list that is read after a deregistration was confirmed is not older than it',
    async holds({ open }) {
      const [one, other] = [await open(), await open()];
      const [leaving, staying] = twins();
      for (let round = 0; round < 20; round++) {
        await one.register(leaving);
        await one.register(staying);
        await one.deregister(leaving);
        await until(async () => !(await one.instances(leaving.service)).some((entry) => idOf(entry) === idOf(leaving)));
        deepEqual(await other.instances(leaving.service), [staying]);
      }
    },
  },
  {
    name: 'R28: the last call wins, and nothing registers again after deregistration',
    async holds({ open, subject }) {
      const [one, other] = [await open(), await open()];
      const service = aServiceName();
      const seen = new Recorder();
      await other.watch(service, seen.listener);
      const instances = Array.from({ length: 50 }, (_, i) => anInstance({ service, port: 20_000 + i }));
      for (const instance of instances) {
        const registering = [one.register(instance), one.register({ ...instance, weight: 1 })];
        const leaving = one.deregister(instance);
        await Promise.all([...registering, leaving]);
      }
      deepEqual(await one.instances(service), []);
      await eventually(other, service, []);
      await seen.shows([], other.capabilities.lagMs + SLACK_MS);
      const heard = seen.lists.length;
      await sleep(systemClock, subject.heartbeatMs * 2);
      deepEqual(await other.instances(service), []);
      deepEqual(seen.lists.slice(heard), []);
    },
  },
];
