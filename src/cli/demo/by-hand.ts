/** What a careful team writes by hand: the base set of the demo. */
import type { Server } from 'node:http';
import { registryUrls } from '../../config/registries.ts';
import { systemClock } from '../../lifecycle/clock.ts';
import { openRegistries } from '../../registry/open.ts';
import type { Instance } from '../../registry/registry.ts';

/** How often the list of a service is read again, in milliseconds: ten to thirty times as often as the usual client caches. */
const REFRESH_MS = 1_000;

/** Discovery and shutdown of one process. */
export interface ByHand {
  /** Registers the process, and lets it leave on SIGTERM: deregister, then close the server. */
  register(host: string, port: number, server: Server): Promise<void>;
  /** Origin of an instance of `service`, in turn. */
  pick(service: string): Promise<string>;
}

/** The name a hand-written process is listed by: both sets may share a registry, and neither must find the other. */
export function listedName(service: string): string {
  return `by-hand-${service}`;
}

export async function start(name: string, url: string): Promise<ByHand> {
  const registry = await openRegistries(registryUrls(url), { clock: systemClock, log: () => {} });
  const lists = new Map<string, readonly Instance[]>();
  let turn = 0;
  const refresh = async (service: string): Promise<readonly Instance[]> => {
    const list = await registry.instances(listedName(service));
    lists.set(service, list);
    return list;
  };
  setInterval(() => {
    // A registry that does not answer leaves the last list.
    for (const service of lists.keys()) refresh(service).catch(() => {});
  }, REFRESH_MS).unref();
  return {
    async register(host, port, server) {
      const now = Date.now();
      const instance: Instance = {
        service: listedName(name),
        instanceId: `${name}:${process.pid}`,
        generation: now,
        host,
        port,
        scheme: 'http',
        weight: 100,
        registeredAt: now,
        metadata: {},
      };
      await registry.register(instance);
      process.once('SIGTERM', async () => {
        await registry.deregister(instance);
        server.close(() => process.exit());
      });
    },
    async pick(service) {
      const list = lists.get(service) ?? (await refresh(service));
      const instance = list[turn++ % Math.max(1, list.length)];
      if (instance === undefined) throw new Error(`no instance of ${service}`);
      return `http://${instance.host}:${instance.port}`;
    },
  };
}
