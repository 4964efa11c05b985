import { deepEqual } from 'node:assert/strict';
import { anInstance, aServiceName } from './an-instance.ts';
import { inOrder, Recorder, SLACK_MS, twins } from './seen.ts';
import type { Rule } from './subject.ts';

/** The rules about watching the list of a service. */
export const WATCHES: readonly Rule[] = [
  {
    name: 'a watch has its first list before it resolves, an empty one too',
    async holds({ open }) {
      const registry = await open();
      const instance = anInstance();
      await registry.register(instance);
      const full = new Recorder();
      await registry.watch(instance.service, full.listener);
      deepEqual(full.lists, [[instance]]);
      const empty = new Recorder();
      await registry.watch(aServiceName(), empty.listener);
      deepEqual(empty.lists, [[]]);
    },
  },
  {
    name: 'a watch sees what another client adds, changes and removes, in time, as full lists',
    async holds({ open }) {
      const [watching, changing] = [await open(), await open()];
      const [first, second] = twins();
      const seen = new Recorder();
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
    },
  },
  {
    name: 'a watch delivers nothing when nothing has changed',
    async holds({ open }) {
      const [watching, changing] = [await open(), await open()];
      const [watched, unrelated] = [anInstance(), anInstance()];
      await changing.register(watched);
      const seen = new Recorder();
      await watching.watch(watched.service, seen.listener);
      await changing.register(watched);
      await changing.register(unrelated);
      await changing.register({ ...watched, weight: 55 });
      await seen.shows([{ ...watched, weight: 55 }], watching.capabilities.lagMs + SLACK_MS);
      deepEqual(seen.lists, [[watched], [{ ...watched, weight: 55 }]]);
    },
  },
  {
    name: 'a stopped watch is silent, another of the same service is not',
    async holds({ open }) {
      const registry = await open();
      const instance = anInstance();
      const [stopped, going] = [new Recorder(), new Recorder()];
      const stop = await registry.watch(instance.service, stopped.listener);
      await registry.watch(instance.service, going.listener);
      stop();
      stop();
      await registry.register(instance);
      await going.shows([instance], registry.capabilities.lagMs + SLACK_MS);
      deepEqual(stopped.lists, [[]]);
    },
  },
  {
    name: 'a watch can be stopped by its own listener',
    async holds({ open }) {
      const registry = await open();
      const instance = anInstance();
      const [once, going] = [new Recorder(), new Recorder()];
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
      deepEqual(once.lists, [[], [instance]]);
    },
  },
  {
    name: 'a listener that throws keeps nobody from a list, itself included',
    async holds({ open }) {
      const registry = await open();
      const instance = anInstance();
      const [broken, sound] = [new Recorder(), new Recorder()];
      await registry.watch(instance.service, (list) => {
        broken.listener(list);
        throw new Error('the listener is broken');
      });
      await registry.watch(instance.service, sound.listener);
      await registry.register(instance);
      await sound.shows([instance], registry.capabilities.lagMs + SLACK_MS);
      await broken.shows([instance], registry.capabilities.lagMs + SLACK_MS);
    },
  },
  {
    name: 'a closed client delivers nothing and leaves its entries alone',
    async holds({ open }) {
      const [closing, other] = [await open(), await open()];
      const instance = anInstance();
      const [silent, going] = [new Recorder(), new Recorder()];
      await closing.watch(instance.service, silent.listener);
      await other.watch(instance.service, going.listener);
      await closing.close();
      await closing.close();
      await other.register(instance);
      await going.shows([instance], other.capabilities.lagMs + SLACK_MS);
      deepEqual(silent.lists, [[]]);
      await other.close();
      const third = await open();
      deepEqual(await third.instances(instance.service), [instance]);
      await third.deregister(instance);
    },
  },
];
