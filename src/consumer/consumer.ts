import { asError } from '../errors.ts';
import { Guard } from '../guard.ts';
import type { Clock, Timer } from '../lifecycle/clock.ts';
import type { Facts } from '../lifecycle/facts.ts';
import type { RefreshResult } from '../lifecycle/outcomes.ts';
import { WARMUP_CURVE } from '../lifecycle/warmup.ts';
import { within } from '../lifecycle/within.ts';
import type { Log } from '../log.ts';
import { decodeDraining } from '../protocol/header.ts';
import type { GoAway } from '../protocol/identity.ts';
import { addressesOf, addressKey, newestByAddress } from '../registry/address.ts';
import type { Registry } from '../registry/registry.ts';
import type { CallContext } from './call/call-context.ts';
import { Directory } from './directory/directory.ts';
import type { Endpoint } from './directory/endpoint.ts';
import { preconnect } from './directory/preconnect.ts';
import { Quarantine } from './directory/quarantine.ts';
import type { Address } from './directory/roster.ts';
import type { Service, ServiceStatus } from './directory/service.ts';
import { GrpcHook } from './grpc/hook.ts';
import { HttpHook } from './http/hook.ts';
import { Http2Hook } from './http2/hook.ts';
import { UndiciHook } from './undici/hook.ts';

/** Isolation after a draining marker without a duration, in milliseconds. */
const MARKED_MS = 30_000;

/** Longest time a refresh waits for the registry, in milliseconds. */
const REFRESH_MS = 5_000;

export interface ConsumerOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: one of its own. */
  readonly guard?: Guard;
  /** Value of the consumer header of this process. Requested with the first request to a service; undefined: none is sent. */
  readonly header: () => Promise<string | undefined>;
  /** How long such a value is used before the next one is requested, in milliseconds; undefined: without limit. */
  readonly headerMs?: number | undefined;
  /** Host names, beside single-label ones, that are services. */
  readonly services: readonly string[];
  /** Whether calls of grpc-js are covered. Default: yes. */
  readonly grpc?: boolean;
  /** Called with the name of a service when its first request is about to be sent. It must not throw. */
  readonly onCalled?: (service: string) => void;
  /** Warm-up time in milliseconds; 0 switches it off. */
  readonly warmupMs: number;
  /** Zone of this process, whose instances are preferred. Undefined: no preference. */
  readonly zone?: string | undefined;
}

/** The registry's answer after an isolation. */
export interface Refresh {
  readonly result: RefreshResult;
  /** `host:port` of the instances that can be picked now. */
  readonly addresses: readonly string[];
  /** Why it failed. */
  readonly error?: Error;
}

/** An instance that is isolated from now on. */
export interface Isolation {
  /** Requests to it that are not finished. */
  readonly outstanding: number;
  /** Instances that can be picked instead, as this process knows them; undefined when it does not call the service. */
  readonly others: number | undefined;
  /** Addresses that could be picked before the isolation. */
  readonly before: readonly string[];
  /**
   * Resolves with the other instances once there is one, nothing is outstanding, and no connection to the isolated one is left;
   * until then the isolated one may still be used. Never rejects.
   */
  readonly idle: Promise<readonly string[]>;
  /** Resolves when the list was read again, or could not be read. Never rejects. */
  readonly refreshed: Promise<Refresh>;
}

/** The target of a GoAway: every entry at these addresses up to this generation. */
interface Leaving {
  readonly addresses: readonly Address[];
  readonly generation: number;
}

/** Outcome of a received GoAway. */
export const GOAWAY_OUTCOMES = ['isolated', 'unused', 'invalid', 'forbidden', 'gone', 'self'] as const;
export type GoAwayOutcome = (typeof GOAWAY_OUTCOMES)[number];

/** State of the consumer half, for people. */
export interface ConsumerStatus {
  readonly services: Readonly<Record<string, ServiceStatus>>;
  /** Addresses isolated now. */
  readonly isolated: number;
  /** GoAways received, by outcome. */
  readonly goAways: Readonly<Record<GoAwayOutcome, number>>;
  /** Isolations by a draining marker. */
  readonly markers: number;
}

/**
 * This process as a caller: sends requests to services to picked instances, and stops sending to those that leave.
 *
 * Isolation wins over a list that still names the instance, until it expires or a newer generation is listed. When no other
 * instance is left, it uses the isolated ones, then those of the last non-empty list: a request always has an instance to try.
 */
export class Consumer implements CallContext {
  readonly #options: ConsumerOptions;
  readonly #quarantine: Quarantine;
  readonly #directory: Directory;
  readonly #hooks: readonly { install(): void; uninstall(): void }[];
  #header: Promise<void> | undefined;
  #renewal: Timer | undefined;
  #uninstalled = false;
  readonly #goAways: Record<GoAwayOutcome, number> = {
    isolated: 0,
    unused: 0,
    invalid: 0,
    forbidden: 0,
    gone: 0,
    self: 0,
  };
  #markers = 0;
  readonly guard: Guard;
  header: string | undefined;

  constructor(options: ConsumerOptions) {
    const { clock, log, registry, services, warmupMs, zone } = options;
    this.#options = options;
    this.guard = options.guard ?? new Guard(log);
    this.#quarantine = new Quarantine(clock, (address) => this.#expired(address));
    this.#directory = new Directory({
      registry,
      clock,
      guard: this.guard,
      log,
      services,
      quarantine: this.#quarantine,
      warmup: { ms: warmupMs, curve: WARMUP_CURVE },
      zone,
      prepare: () => this.#prepare(),
      onCalled: options.onCalled,
    });
    this.#hooks = [
      new UndiciHook({ context: this, log, covers: (origin) => this.#directory.covers(origin) }),
      new HttpHook(this),
      new Http2Hook({ context: this, log, at: (address, host) => this.#directory.at(address, host) }),
      ...(options.grpc === false ? [] : [new GrpcHook(this, log)]),
    ];
  }

  /** Hooks into undici, `node:http`, `node:http2` and grpc-js. It loads none of them, and no list, before the first request. */
  install(): void {
    for (const hook of this.#hooks) hook.install();
  }

  /** Removes the hooks and ends all watches. Requests in progress end normally. */
  async uninstall(): Promise<void> {
    for (const hook of this.#hooks) hook.uninstall();
    this.#uninstalled = true;
    this.#renewal?.cancel();
    this.#directory.close();
    this.#quarantine.clear();
  }

  /** Builds connections to services before the first request. Never rejects. */
  preconnect(services: readonly string[]): Promise<Facts['preconnect']> {
    return preconnect(services, this.#directory, this.#options.clock);
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  route(origin: string): Service | Promise<Service | undefined> | undefined {
    return this.#directory.route(origin);
  }

  marked(service: Service, endpoint: Endpoint, marker: string): void {
    const isSeen = endpoint.marker === marker;
    if (isSeen && this.#quarantine.has(endpoint.instance, endpoint.key)) return;
    endpoint.marker = marker;
    const named = decodeDraining(marker);
    // A service may forward the response of another of its instances, with the marker of that one.
    if (named === undefined || named.service.toLowerCase() !== service.name.toLowerCase()) return;
    if (service.hasElsewhere(named.instanceId, endpoint)) return;
    const { generation } = named;
    const isFollowed = endpoint.instance.generation > generation;
    if (isSeen && isFollowed) return;
    this.#markers++;
    const done = isFollowed
      ? `a newer instance is at ${endpoint.address}: connections to it are renewed`
      : 'it is isolated';
    this.#options.log('info', `${named.instanceId} of ${service.name} marked a response: ${done}`);
    void this.#isolate({ addresses: [endpoint.instance], generation }, service, named.isolationMs ?? MARKED_MS)
      .refreshed;
  }

  /** Isolates synchronously, then reads the list again. Idempotent; a repetition renews the isolation. */
  goAway({ provider, expiresInMs }: GoAway): Isolation {
    const service = this.#directory.named(provider.service);
    const { generation } = provider;
    return this.#isolate({ addresses: this.addressesOf(provider), generation }, service, expiresInMs);
  }

  /** Counts a GoAway. */
  took(outcome: GoAwayOutcome): void {
    this.#goAways[outcome]++;
  }

  /** The instances that a GoAway would isolate. */
  addressesOf(provider: GoAway['provider']): readonly Address[] {
    return this.#directory.named(provider.service)?.addressesOf(provider) ?? addressesOf(provider);
  }

  /**
   * Hosts of these instances, as listed here now or before, under the id of the instance or by others, whose ids are not known.
   * Undefined when this process has no list of the service.
   */
  hostsOf(provider: GoAway['provider']): readonly string[] | undefined {
    const service = this.#directory.named(provider.service);
    return service
      ?.addressesOf(provider)
      .flatMap((address) => service.at(address))
      .filter((endpoint) => endpoint.instance.generation === 0 || endpoint.isKnownAs(provider.instanceId))
      .map(({ instance }) => instance.host);
  }

  status(): ConsumerStatus {
    return {
      services: Object.fromEntries(this.#directory.services.map((service) => [service.name, service.status()])),
      isolated: this.#quarantine.size,
      goAways: { ...this.#goAways },
      markers: this.#markers,
    };
  }

  /**
   * Isolates every entry at the addresses up to the generation, whatever its id. A newer entry stays in use; but connections made
   * before may lead to either process, so they are closed too.
   */
  #isolate(leaving: Leaving, service: Service | undefined, expiresInMs: number): Isolation {
    const before = service?.addresses ?? [];
    const { addresses, generation } = leaving;
    const endpoints = addresses.flatMap((address) => service?.at(address) ?? []);
    // A repeated GoAway takes no promise back.
    const fresh = endpoints.filter(({ instance }) => !this.#quarantine.has(instance));
    for (const { host, port } of addresses) {
      const uid = service?.at({ host, port })[0]?.instance.uid;
      this.#quarantine.add({ host, port, generation, ...(uid !== undefined && { uid }) }, expiresInMs);
    }
    const others = service?.othersThan(endpoints);
    for (const endpoint of fresh) endpoint.isKept = others === 0;
    service?.invalidate();
    // Calls go on to a kept one; the list that has another instance closes it.
    for (const endpoint of endpoints) if (!endpoint.isKept) endpoint.close();
    const idle = untilLeft(service, endpoints, () =>
      endpoints.map((endpoint) => (this.#quarantine.has(endpoint.instance) ? endpoint.idle() : endpoint.closed())),
    );
    return {
      outstanding: endpoints.reduce((sum, { outstanding }) => sum + outstanding, 0),
      others,
      before,
      idle: idle.finally(() => {
        const kept = endpoints.filter(({ isKept }) => isKept);
        for (const endpoint of kept) endpoint.isKept = false;
        if (kept.length > 0) service?.invalidate();
      }),
      refreshed:
        service === undefined ? Promise.resolve({ result: 'unused', addresses: [] }) : this.#refresh(leaving, service),
    };
  }

  async #refresh({ addresses }: Leaving, service: Service): Promise<Refresh> {
    const left = new Set(addresses.map(addressKey));
    try {
      const listed = await within(this.#options.clock, REFRESH_MS, this.#directory.refresh(service), () => {
        throw new Error(`the registry did not answer within ${REFRESH_MS} ms`);
      });
      const entries = listed.filter((instance) => left.has(addressKey(instance)));
      const isStale = [...newestByAddress(entries).values()].some((instance) => this.#quarantine.has(instance));
      return { result: isStale ? 'stale' : 'refreshed', addresses: service.addresses };
    } catch (thrown) {
      return { result: 'failed', addresses: service.addresses, error: asError(thrown) };
    }
  }

  #prepare(): Promise<void> {
    this.#header ??= this.#renewHeader();
    return this.#header;
  }

  /** By a timer, so that no request reads a clock. */
  async #renewHeader(): Promise<void> {
    const { clock, header, headerMs, log } = this.#options;
    try {
      this.header = await header();
    } catch (thrown) {
      log('warn', `requests carry no consumer header: ${asError(thrown).message}`);
    }
    if (headerMs !== undefined && !this.#uninstalled) this.#renewal = clock.after(headerMs, () => this.#renewHeader());
  }

  /** An isolation is over. Most that leave are not listed any more by then, and nothing changes. */
  #expired(address: string): void {
    for (const service of this.#directory.services) if (service.lists(address)) service.invalidate();
  }
}

/**
 * Resolves when `service` has other instances than `leaving`, or is not called any more, and `quiet` has resolved: no request goes to
 * those that leave.
 */
async function untilLeft(
  service: Service | undefined,
  leaving: readonly Endpoint[],
  quiet: () => readonly Promise<void>[],
): Promise<readonly string[]> {
  for (;;) {
    await Promise.all(quiet());
    if (service === undefined || service.closed || service.othersThan(leaving) > 0) return service?.addresses ?? [];
    await service.changed();
  }
}
