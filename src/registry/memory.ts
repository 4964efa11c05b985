import { LosslessError } from '../errors.ts';
import type { Instance, Listener, Registry } from './registry.ts';

/** One watch of one service. */
interface Watch {
  readonly service: string;
  readonly listener: Listener;
  delivered: string | undefined;
}

/** State shared by every `memory:` registry of one name in this process. */
interface Shared {
  readonly instances: Map<string, Instance>;
  readonly watches: Set<Watch>;
}

/** Key of the lists on the global object: a test runner, or a bundle, loads this module more than once in a process. */
const LISTS = Symbol.for('lossless-lifecycle.registry.memory');

/** Most entries of one name. */
const MOST_ENTRIES = 100_000;

/** A registry inside one process, for tests. Each `memory:name` has lists of its own. */
export function memoryRegistry(url: URL): Registry {
  const { instances, watches } = sharedOf(url.pathname);
  const mine = new Set<Watch>();

  const list = (service: string): readonly Instance[] =>
    [...instances.values()]
      .filter((instance) => instance.service === service)
      .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  const deliver = (watch: Watch): void => {
    const found = list(watch.service);
    const text = JSON.stringify(found);
    if (!watches.has(watch) || text === watch.delivered) return;
    watch.delivered = text;
    try {
      watch.listener(found);
    } catch {
      // An error of one listener must not affect the others.
    }
  };
  const deliverAll = (service: string): void => {
    for (const watch of [...watches]) if (watch.service === service) deliver(watch);
  };
  const stop = (watch: Watch): void => {
    mine.delete(watch);
    watches.delete(watch);
  };

  return {
    type: 'memory',
    address: url.pathname,
    capabilities: { push: true, lagMs: 0, expires: false },
    async register(instance) {
      const key = keyOf(instance);
      if (instances.size >= MOST_ENTRIES && !instances.has(key))
        throw new LosslessError('LOSSLESS_REGISTRY_UNAVAILABLE', `it holds ${MOST_ENTRIES} entries already`);
      instances.set(key, structuredClone(instance));
      deliverAll(instance.service);
    },
    async deregister(instance) {
      instances.delete(keyOf(instance));
      deliverAll(instance.service);
    },
    instances: async (service) => list(service),
    async watch(service, listener) {
      const watch: Watch = { service, listener, delivered: undefined };
      mine.add(watch);
      watches.add(watch);
      deliver(watch);
      return () => stop(watch);
    },
    async close() {
      for (const watch of [...mine]) stop(watch);
    },
  };
}

function sharedOf(name: string): Shared {
  const holder = globalThis as { [LISTS]?: Map<string, Shared> };
  holder[LISTS] ??= new Map();
  const lists = holder[LISTS];
  const shared = lists.get(name) ?? { instances: new Map(), watches: new Set() };
  lists.set(name, shared);
  return shared;
}

function keyOf({ service, instanceId }: Instance): string {
  return JSON.stringify([service, instanceId]);
}
