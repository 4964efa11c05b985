/** The usual hand-written discovery and shutdown: the base set of the demo. */
import { registryUrls } from '../../config/registries.ts';
import { systemClock } from '../../lifecycle/clock.ts';
import { hostPort } from '../../protocol/host-port.ts';
import { endpointOf, type Protocol } from '../../registry/endpoints.ts';
import { openRegistries } from '../../registry/open.ts';
import type { Instance } from '../../registry/registry.ts';

/** Interval at which the list of a service is read again, in milliseconds: usual clients cache it ten to thirty times as long. */
const REFRESH_MS = 1_000;

/** The addresses of a process. */
type Place = Required<Pick<Instance, 'host' | 'port' | 'endpoints'>>;

/** The instance to call next. */
export interface Picked {
  readonly address: string;
  /** The addresses of all instances. */
  readonly listed: readonly string[];
}

/** Discovery and shutdown of one process. */
export interface ByHand {
  /** Registers the process, and lets it leave on SIGTERM: deregister, then close its servers. */
  register(place: Place, close: () => Promise<unknown>): Promise<void>;
  /** The address of an instance of `service`, in turn. */
  pick(service: string, protocol: Protocol): Promise<Picked>;
}

/** The name of a hand-written service in the registry: both sets may share a registry, and neither must find the other. */
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
    // When the registry does not answer, the last list stays.
    for (const service of lists.keys()) refresh(service).catch(() => {});
  }, REFRESH_MS).unref();
  return {
    async register(place, close) {
      const now = Date.now();
      const instance: Instance = {
        service: listedName(name),
        instanceId: `${name}:${process.pid}`,
        generation: now,
        ...place,
        scheme: 'http',
        weight: 100,
        registeredAt: now,
        metadata: {},
      };
      await registry.register(instance);
      process.once('SIGTERM', async () => {
        await registry.deregister(instance);
        await close();
        process.exit();
      });
    },
    async pick(service, protocol) {
      const list = lists.get(service) ?? (await refresh(service));
      const listed = list.flatMap((instance) => {
        const endpoint = endpointOf(instance, protocol);
        return endpoint === undefined ? [] : hostPort({ host: instance.host, port: endpoint.port });
      });
      const address = listed[turn++ % Math.max(1, listed.length)];
      if (address === undefined) throw new Error(`no instance of ${service}`);
      return { address, listed };
    },
  };
}
