import { asError } from '../errors.ts';
import { Guard } from '../guard.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { decodeDraining } from '../protocol/header.ts';
import type { GoAway, Identity } from '../protocol/identity.ts';
import type { Registry } from '../registry/registry.ts';
import type { RefreshResult } from '../trace/schema.ts';
import type { CallContext } from './call-context.ts';
import { Directory } from './directory.ts';
import type { Endpoint } from './endpoint.ts';
import { HttpHook } from './http-hook.ts';
import { type Preconnected, preconnect } from './preconnect.ts';
import { Quarantine } from './quarantine.ts';
import type { Service, ServiceStatus } from './service.ts';
import { UndiciHook } from './undici-hook.ts';

/** How long an instance stays isolated that marked its responses, in milliseconds. */
const MARKED_MS = 30_000;

/** Longest time a refresh waits for the registry, in milliseconds. */
const REFRESH_MS = 5_000;

export interface ConsumerOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: one of its own. */
  readonly guard?: Guard;
  /** Value of the consumer header of this process. Asked for with the first request to a service; undefined: none is sent. */
  readonly header: () => Promise<string | undefined>;
  /** Host names, beside single-label ones, that are services. */
  readonly services: readonly string[];
  /** Called with the name of a service when its first request is about to be sent. It must not throw. */
  readonly onCalled?: (service: string) => void;
  /** Warm-up time in milliseconds; 0 switches it off. */
  readonly warmupMs: number;
  /** Exponent of the warm-up. */
  readonly warmupCurve: number;
  /** Zone of this process: instances of the same one go before others. Undefined: all are alike. */
  readonly zone?: string | undefined;
}

/** What the registry said after an isolation. */
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
  /** Addresses that could be picked before. */
  readonly before: readonly string[];
  /** Resolves when nothing is outstanding and no connection to it is left. Never rejects. */
  readonly idle: Promise<void>;
  /** Resolves when the list was read again, or could not be. Never rejects. */
  readonly refreshed: Promise<Refresh>;
}

/** How a GoAway was taken. */
export const GOAWAY_OUTCOMES = ['isolated', 'unused', 'invalid', 'forbidden', 'gone'] as const;
export type GoAwayOutcome = (typeof GOAWAY_OUTCOMES)[number];

/** How the consumer half stands, for people. */
export interface ConsumerStatus {
  readonly services: Readonly<Record<string, ServiceStatus>>;
  /** Instances isolated now. */
  readonly isolated: number;
  /** GoAways received, by how they were taken. */
  readonly goAways: Readonly<Record<GoAwayOutcome, number>>;
  /** Isolations by a draining marker. */
  readonly markers: number;
}

/**
 * This process as a caller: sends requests to services to picked instances, and stops sending to those that leave.
 *
 * Isolation wins over a list that still names the instance, until it expires or a newer generation is listed. When nobody
 * else is left the isolated are used after all, then those of the last list that was not empty: never nobody.
 */
export class Consumer implements CallContext {
  readonly #options: ConsumerOptions;
  readonly #quarantine: Quarantine;
  readonly #directory: Directory;
  readonly #hooks: readonly { install(): void; uninstall(): void }[];
  #header: Promise<void> | undefined;
  readonly #goAways: Record<GoAwayOutcome, number> = { isolated: 0, unused: 0, invalid: 0, forbidden: 0, gone: 0 };
  #markers = 0;
  readonly guard: Guard;
  header: string | undefined;

  constructor(options: ConsumerOptions) {
    const { clock, log, registry, services, warmupMs, warmupCurve, zone } = options;
    this.#options = options;
    this.guard = options.guard ?? new Guard(log);
    this.#quarantine = new Quarantine(clock, () => this.#rebuild());
    this.#directory = new Directory({
      registry,
      clock,
      log,
      services,
      quarantine: this.#quarantine,
      warmup: { ms: warmupMs, curve: warmupCurve },
      zone,
      prepare: () => this.#prepare(),
      onCalled: options.onCalled,
    });
    this.#hooks = [
      new UndiciHook({ context: this, log, covers: (origin) => this.#directory.covers(origin) }),
      new HttpHook(this),
    ];
  }

  /** Hooks into undici and `node:http`. Loads neither undici nor a list: that comes with the first request. */
  install(): void {
    for (const hook of this.#hooks) hook.install();
  }

  /** Takes the hooks back and ends all watches. Requests in progress end normally. */
  async uninstall(): Promise<void> {
    for (const hook of this.#hooks) hook.uninstall();
    this.#directory.close();
    this.#quarantine.clear();
  }

  /** Builds connections to services before the first request. Never rejects. */
  preconnect(services: readonly string[]): Promise<Preconnected> {
    return preconnect(services, this.#directory, this.#options.clock);
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  route(origin: string): Service | Promise<Service | undefined> | undefined {
    return this.#directory.route(origin);
  }

  marked(service: Service, endpoint: Endpoint, marker: string): void {
    if (endpoint.marker === marker && this.#quarantine.has(endpoint.instance)) return;
    endpoint.marker = marker;
    const { instanceId, generation } = endpoint.instance;
    const named = decodeDraining(marker);
    // What something else has listed is known by its address, and that is where this response came from.
    const isNamed =
      generation === 0
        ? named?.service.toLowerCase() === service.name.toLowerCase()
        : named?.instanceId === instanceId && named.generation === generation;
    if (!isNamed) return;
    this.#markers++;
    this.#options.log('info', `${instanceId} of ${service.name} marked a response: it is isolated`);
    void this.#isolate(endpoint.instance, service, MARKED_MS).refreshed;
  }

  /** Isolates synchronously, then reads the list again. Idempotent; a repetition renews the isolation. */
  goAway({ provider, expiresInMs }: GoAway): Isolation {
    const service = this.#directory.named(provider.service);
    return this.#isolate(service?.listedAs(provider) ?? provider, service, expiresInMs);
  }

  /** Counts a GoAway. */
  took(outcome: GoAwayOutcome): void {
    this.#goAways[outcome]++;
  }

  /** Hosts at which an instance is or was listed here; undefined when this process has no list of the service. */
  hostsOf(provider: GoAway['provider']): readonly string[] | undefined {
    const service = this.#directory.named(provider.service);
    return service
      ?.find(service.listedAs(provider).instanceId, Number.POSITIVE_INFINITY)
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

  #isolate(identity: Identity, service: Service | undefined, expiresInMs: number): Isolation {
    const before = service?.addresses ?? [];
    this.#quarantine.add(identity, expiresInMs);
    const endpoints = service?.find(identity.instanceId, identity.generation) ?? [];
    service?.rebuild();
    for (const endpoint of endpoints) endpoint.close();
    return {
      outstanding: endpoints.reduce((sum, { outstanding }) => sum + outstanding, 0),
      before,
      idle: Promise.all(endpoints.map((endpoint) => endpoint.idle())).then(() => {}),
      refreshed:
        service === undefined ? Promise.resolve({ result: 'unused', addresses: [] }) : this.#refresh(identity, service),
    };
  }

  async #refresh({ instanceId, generation }: Identity, service: Service): Promise<Refresh> {
    const late = Promise.withResolvers<never>();
    const timer = this.#options.clock.after(REFRESH_MS, () =>
      late.reject(new Error(`the registry did not answer within ${REFRESH_MS} ms`)),
    );
    try {
      const listed = await Promise.race([this.#directory.refresh(service), late.promise]);
      const isStale = listed.some(
        (instance) => instance.instanceId === instanceId && instance.generation <= generation,
      );
      return { result: isStale ? 'stale' : 'refreshed', addresses: service.addresses };
    } catch (thrown) {
      return { result: 'failed', addresses: service.addresses, error: asError(thrown) };
    } finally {
      timer.cancel();
    }
  }

  #prepare(): Promise<void> {
    this.#header ??= this.#options.header().then(
      (header) => {
        this.header = header;
      },
      (thrown) => this.#options.log('warn', `requests carry no consumer header: ${asError(thrown).message}`),
    );
    return this.#header;
  }

  #rebuild(): void {
    for (const service of this.#directory.services) service.rebuild();
  }
}
