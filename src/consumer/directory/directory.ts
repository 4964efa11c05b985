import { asError } from '../../errors.ts';
import { whenAborted } from '../../lifecycle/abort.ts';
import { Backoff } from '../../lifecycle/backoff.ts';
import { sleep, type Timer } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';
import type { Log } from '../../log.ts';
import type { Instance, Registry } from '../../registry/registry.ts';
import type { Endpoint } from './endpoint.ts';
import { authorityOf } from './origin.ts';
import type { Address } from './roster.ts';
import { Service, type ServiceOptions } from './service.ts';

/** Longest time the first request to a host waits for the first list, in milliseconds; then it goes on unchanged. */
const FIRST_LIST_MS = 2_000;

/** Waits between attempts to read a first list. Requests pass unchanged meanwhile, and up to a thousand services may wait. */
const WAITS = { initialMs: 500, factor: 2, capMs: 30_000 };

/** Services watched at a time. */
const MOST_SERVICES = 1_000;

/** Most further names without an instance that are watched, the latest ones, because users of an application may invent names. */
const MOST_UNKNOWN = 100;

/** Most origins with a remembered answer; beyond that all are forgotten. */
const MOST_ORIGINS = 10_000;

/** A service without requests for one to two of these, in milliseconds, is no longer watched. */
const SWEEP_MS = 600_000;

/** A single label that is not a number: `2130706433` and `0x7f000001` are IPv4 addresses to a resolver. */
const SINGLE_LABEL = /^(?!0x)(?=.*[a-z_-])[a-z0-9_-]{1,63}$/i;

export interface DirectoryOptions extends ServiceOptions {
  readonly registry: Registry;
  readonly log: Log;
  /** Further host names that are services. */
  readonly services: readonly string[];
  /** Further work for which a first request waits. Never rejects. */
  readonly prepare: () => Promise<void>;
}

/** An instance of a service. */
export interface Listed {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

interface Entry {
  readonly service: Service;
  /** Origins that lead to it. */
  readonly origins: string[];
  /** Pending until the first list has come, or will not come in time. */
  pending: Promise<void> | undefined;
  /** Resolved when the first list has come, or the watch has ended. */
  readonly listed: PromiseWithResolvers<void>;
  readonly backoff: Backoff;
  /** Aborted when the watch ends. */
  readonly ending: AbortController;
}

/** The hosts that are services, and their lists. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #named: ReadonlyMap<string, string>;
  readonly #entries = new Map<string, Entry>();
  readonly #origins = new Map<string, Entry | null>();
  readonly #refreshes = new Map<
    string,
    { readonly running: Promise<Instances>; next: Promise<Instances> | undefined }
  >();
  #sweep: Timer | undefined;
  #isFull = false;
  #closed = false;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#named = new Map(options.services.map((name) => [name.toLowerCase(), name]));
  }

  get services(): readonly Service[] {
    return [...this.#entries.values()].map(({ service }) => service);
  }

  /** The watched service of a registered name. */
  named(name: string): Service | undefined {
    return (this.#entries.get(name) ?? this.#entries.get(name.toLowerCase()))?.service;
  }

  /**
   * The service a request goes to.
   *
   * @param origin `http://service-b:8080`, or a host alone
   * @returns undefined for anything else, a promise of the answer while the first list is read
   */
  route(origin: string): Service | Promise<Service | undefined> | undefined {
    let entry = this.#origins.get(origin);
    if (entry === undefined) entry = this.#learn(origin);
    if (entry === null) return undefined;
    const { service } = entry;
    if (entry.pending !== undefined) return entry.pending.then(() => (service.known ? service : undefined));
    service.used = true;
    return service.known ? service : undefined;
  }

  /** Resolves when the registry has said what `origin` is, however often it must be asked. */
  async listed(origin: string): Promise<void> {
    await this.route(origin);
    await this.#origins.get(origin)?.listed.promise;
  }

  /**
   * The instance at an address, among all services with a known list.
   *
   * @param host the service to check first
   */
  at(address: Address, host: string): Listed | undefined {
    const first = this.named(host);
    for (const service of first === undefined ? this.services : [first, ...this.services]) {
      const [endpoint] = service.at(address).toSorted((a, b) => b.instance.generation - a.instance.generation);
      if (endpoint !== undefined) return { service, endpoint };
    }
    return undefined;
  }

  /**
   * Whether requests to `origin` must go through the plugin. Origins advertised by an instance are destinations, not services.
   */
  covers(origin: string): boolean {
    const service = this.#origins.get(origin)?.service;
    return service?.known === true && !service.isAt(authorityOf(origin));
  }

  /**
   * Reads the list of a service again. Concurrent callers share one read, but never one that began before their call.
   *
   * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
   */
  refresh(service: Service): Promise<readonly Instance[]> {
    const { name } = service;
    const current = this.#refreshes.get(name);
    if (current === undefined) return this.#read(service);
    current.next ??= current.running.then(
      () => this.#read(service),
      () => this.#read(service),
    );
    return current.next;
  }

  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const name of [...this.#entries.keys()]) this.#drop(name);
  }

  /** Decides what `origin` is; runs once for each. */
  #learn(origin: string): Entry | null {
    const name = this.#closed ? undefined : this.#nameOf(hostOf(origin));
    const entry = name === undefined ? null : (this.#entries.get(name) ?? this.#watch(name));
    if (this.#origins.size >= MOST_ORIGINS) this.#forgetOrigins();
    this.#origins.set(origin, entry);
    entry?.origins.push(origin);
    return entry;
  }

  #nameOf(host: string): string | undefined {
    const lower = host.toLowerCase();
    return this.#named.get(lower) ?? (SINGLE_LABEL.test(lower) && lower !== 'localhost' ? lower : undefined);
  }

  #watch(name: string): Entry | null {
    const known = [...this.#entries.values()].filter(({ service }) => service.known);
    if (known.length >= MOST_SERVICES) {
      if (!this.#isFull)
        this.#options.log('warn', `more than ${MOST_SERVICES} services are called; further ones are not covered`);
      this.#isFull = true;
      return null;
    }
    const { clock } = this.#options;
    const entry: Entry = {
      service: new Service(name, this.#options),
      origins: [],
      pending: undefined,
      listed: Promise.withResolvers<void>(),
      backoff: new Backoff(WAITS),
      ending: new AbortController(),
    };
    this.#entries.set(name, entry);
    const first = Promise.all([this.#begin(entry), this.#options.prepare()]);
    entry.pending = within(clock, FIRST_LIST_MS, first, () => {}).then(() => {
      entry.pending = undefined;
      this.#dropUnknown();
    });
    this.#sweep ??= clock.after(SWEEP_MS, () => this.#dropUnused());
    return entry;
  }

  /** Starts the watch, and retries if that fails. Resolves after the first attempt. */
  async #begin(entry: Entry): Promise<void> {
    const { registry, log, clock } = this.#options;
    const { service, backoff } = entry;
    const { signal } = entry.ending;
    try {
      const end = await registry.watch(service.name, (instances) => {
        if (!signal.aborted) service.apply(instances);
      });
      whenAborted(signal, end);
      entry.listed.resolve();
    } catch (thrown) {
      if (signal.aborted) return;
      log('warn', `no list of ${service.name}: ${asError(thrown).message}`, { code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      void sleep(clock, backoff.next(), signal).then(() => (signal.aborted ? undefined : this.#begin(entry)));
    }
  }

  #read(service: Service): Promise<Instances> {
    const began = service.listedTimes;
    const running = this.#options.registry.instances(service.name).then((instances) => {
      // A list that was pushed meanwhile is newer than one that was requested before.
      if (service.listedTimes === began) service.apply(instances);
      return instances;
    });
    const turn = { running, next: undefined };
    this.#refreshes.set(service.name, turn);
    const done = (): void => {
      if (this.#refreshes.get(service.name) === turn) this.#refreshes.delete(service.name);
    };
    running.then(done, done);
    return running;
  }

  #dropUnused(): void {
    for (const [name, { service }] of this.#entries) {
      if (!service.used && !service.busy) this.#drop(name);
      else service.forget();
    }
    this.#sweep = this.#entries.size > 0 ? this.#options.clock.after(SWEEP_MS, () => this.#dropUnused()) : undefined;
  }

  /**
   * Keeps the latest, so that a service that was called before its registration is found later. One that awaits its first list is
   * kept.
   */
  #dropUnknown(): void {
    const unknown = [...this.#entries].filter(([, { service, pending }]) => !service.known && pending === undefined);
    for (const [name] of unknown.slice(0, -MOST_UNKNOWN)) this.#drop(name);
  }

  #forgetOrigins(): void {
    this.#origins.clear();
    for (const entry of this.#entries.values()) entry.origins.length = 0;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    for (const origin of entry?.origins ?? []) this.#origins.delete(origin);
    this.#isFull = false;
    entry?.ending.abort();
    entry?.listed.resolve();
    entry?.service.close();
  }
}

type Instances = readonly Instance[];

/** The host of an origin; a host alone is itself. */
function hostOf(origin: string): string {
  if (!origin.includes('://')) return origin;
  const authority = authorityOf(origin);
  const colon = authority.lastIndexOf(':');
  return colon >= 0 && !authority.endsWith(']') ? authority.slice(0, colon) : authority;
}
