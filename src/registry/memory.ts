import type { Instance, Listener, Registry } from './registry.ts';

/** The lists of one name, shared by every `memory:` registry of that name in this process. */
interface Shared {
  readonly instances: Map<string, Instance>;
  readonly listeners: Set<{ readonly service: string; readonly deliver: Listener }>;
}

/** Where the lists are: on the global object, because tests load this module more than once. */
const LISTS = Symbol.for('lossless-lifecycle.registry.memory');

/** Most entries of one name. */
const MOST = 100_000;

/** A registry inside one process, for tests. `memory:name` keeps lists apart by name. */
export function memoryRegistry(url: URL): Registry {
  const shared = sharedOf(url.pathname);
  const mine = new Set<{ readonly service: string; readonly deliver: Listener }>();
  const list = (service: string): readonly Instance[] => [...shared.instances.values()].filter((instance) => instance.service === service);
  const changed = (service: string): void => {
    for (const listener of shared.listeners) if (listener.service === service) deliver(listener.deliver, list(service));
  };
  return {
    type: 'memory',
    address: url.pathname,
    capabilities: { push: true, lagMs: 0, expires: false },
    async register(instance) {
      if (shared.instances.size >= MOST) return;
      shared.instances.set(keyOf(instance), structuredClone(instance));
      changed(instance.service);
    },
    async deregister(instance) {
      if (shared.instances.delete(keyOf(instance))) changed(instance.service);
    },
    async instances(service) {
      return list(service);
    },
    async watch(service, listener) {
      const entry = { service, deliver: listener };
      mine.add(entry);
      shared.listeners.add(entry);
      deliver(listener, list(service));
      return () => {
        mine.delete(entry);
        shared.listeners.delete(entry);
      };
    },
    async close() {
      for (const entry of mine) shared.listeners.delete(entry);
      mine.clear();
    },
  };
}

function sharedOf(name: string): Shared {
  const holder = globalThis as { [LISTS]?: Map<string, Shared> };
  holder[LISTS] ??= new Map();
  let shared = holder[LISTS].get(name);
  if (shared === undefined) {
    shared = { instances: new Map(), listeners: new Set() };
    holder[LISTS].set(name, shared);
  }
  return shared;
}

function keyOf({ service, instanceId }: Instance): string {
  return JSON.stringify([service, instanceId]);
}

function deliver(listener: Listener, instances: readonly Instance[]): void {
  try {
    listener(instances);
  } catch {
    // One listener must not keep the others from their list.
  }
}
