import { parseJson } from '../../json.ts';
import type { AdapterContext } from '../context.ts';
import { EntryReader } from '../entry-reader.ts';
import type { Round } from '../follow.ts';
import { HttpClient } from '../http.ts';
import type { Capabilities, Failure, Instance, Registry } from '../registry.ts';
import { type Backend, ServerRegistry } from '../server-registry.ts';
import { addressOf, UrlOptions } from '../url-options.ts';
import { EurekaApplications, entriesOf } from './applications.ts';
import { appOf, decodeInfo, encodeInfo, infoIdOf } from './entry.ts';

/** Default port of a Eureka server. */
const PORT = 8_761;

/** Path of Eureka's API in Spring Cloud. */
const BASE = '/eureka';

/** How long a server shows a list before it makes a new one, in milliseconds: `responseCacheUpdateIntervalMs`. */
const SERVER_CACHE_MS = 30_000;

/**
 * Default interval of polls, in milliseconds. The server's own cache decides how old a list may be; Eureka's 30 s would double
 * that, and the answer with the changes is short.
 */
const POLL_MS = 5_000;

/**
 * Default time an entry lives without a heartbeat, in milliseconds: Eureka's. Heartbeats are then 30 s apart, as the server
 * expects when it decides whether too many are missing to remove instances (self-preservation).
 */
const LEASE_MS = 90_000;

/** Most removed entries that are remembered. */
const MOST_REMOVED = 1_000;

/**
 * The servers of a Eureka. An entry is registered out of service and put in service by a status override, so a registration
 * that arrives late is never listed; a late heartbeat finds no entry. Watches share one poll.
 */
class Eureka implements Backend {
  readonly type = 'eureka';
  readonly title = 'Eureka';
  readonly address: string;
  readonly capabilities: Capabilities;
  readonly beatMs: number;
  readonly #context: AdapterContext;
  readonly #http: HttpClient;
  readonly #base: string;
  readonly #leaseS: number;
  readonly #applications: EurekaApplications;
  readonly #reader: EntryReader;
  /** Paths of entries that this process has removed; a list may be older than the removal. */
  readonly #removed = new Set<string>();
  /** Ids of entries that were put in service, and whether a heartbeat touched them since. */
  readonly #touched = new Map<string, boolean>();
  #writtenAt = 0;

  constructor(options: UrlOptions, context: AdapterContext) {
    const { clock, secrets } = context;
    const servers = options.servers(PORT);
    const user = options.user();
    const pollMs = options.integer('pollMs', POLL_MS, 100, 3_600_000);
    this.address = addressOf(servers);
    this.capabilities = { push: false, lagMs: SERVER_CACHE_MS + pollMs, expires: true };
    this.#base = options.url.pathname.replace(/\/+$/, '') || BASE;
    this.#leaseS = Math.ceil(options.integer('ttlMs', LEASE_MS, 1_000, 3_600_000) / 1_000);
    this.beatMs = (this.#leaseS * 1_000) / 3;
    this.#context = context;
    this.#reader = new EntryReader('Eureka instance', context);
    this.#http = new HttpClient({
      clock,
      servers,
      tls: options.tls(),
      secrets,
      ...(user && { headers: () => basic(user) }),
    });
    this.#applications = new EurekaApplications({ clock, http: this.#http, base: this.#base, pollMs });
    options.done();
  }

  get failure(): Failure | undefined {
    return this.#http.failure;
  }

  async write(instance: Instance): Promise<void> {
    const id = infoIdOf(instance);
    this.#touched.delete(id);
    this.#removed.delete(pathOf(instance));
    // Later than the last one even when the wall clock was set back: the server keeps the latest.
    this.#writtenAt = Math.max(this.#writtenAt + 1, this.#context.clock.wall());
    const body = JSON.stringify({ instance: encodeInfo(instance, this.#leaseS, this.#writtenAt) });
    await this.#http.send({ method: 'POST', path: `${this.#base}${appPath(instance.service)}`, body });
    const isThere = await this.#send('PUT', `${pathOf(instance)}/status?value=UP`);
    if (!isThere) throw new Error('the server has lost the entry that was just registered');
    this.#touched.set(id, false);
  }

  /**
   * Does not change an override of another client. The first heartbeat touches the entry without a change: otherwise a list that
   * the server was making while the entry was put in service would be shown for three minutes, because its cache misses such
   * changes (`responseCacheAutoExpirationInSeconds`).
   */
  async beat(instance: Instance): Promise<void> {
    const id = infoIdOf(instance);
    const isTouched = this.#touched.get(id);
    const path = isTouched ? pathOf(instance) : `${pathOf(instance)}/metadata`;
    const isKept = isTouched !== undefined && (await this.#send('PUT', path));
    if (isKept) this.#touched.set(id, true);
    else await this.write(instance);
  }

  async remove(instance: Instance): Promise<void> {
    this.#touched.delete(infoIdOf(instance));
    await this.#send('DELETE', pathOf(instance));
    if (this.#removed.size < MOST_REMOVED) this.#removed.add(pathOf(instance));
  }

  /**
   * A list of the server may be half a minute old. For an entry that this process has removed it asks for the entry itself, which
   * the server answers at once.
   */
  async list(service: string): Promise<readonly Instance[]> {
    const listed = await this.#list(service);
    const isThere = await Promise.all(
      listed.map((instance) => !this.#removed.has(pathOf(instance)) || this.#send('GET', pathOf(instance))),
    );
    return listed.filter((_, n) => isThere[n]);
  }

  async #list(service: string): Promise<readonly Instance[]> {
    const { status, text } = await this.#http.send({
      method: 'GET',
      path: `${this.#base}${appPath(service)}`,
      expected: [404],
    });
    if (status === 404) return [];
    const { application } = (parseJson(text, 'the answer') ?? {}) as { application?: unknown };
    return this.#read(entriesOf(application), service);
  }

  rounds(service: string): Round {
    const app = appOf(service);
    this.#applications.follow(app);
    let isFollowing = false;
    return async (deliver) => {
      const isRead = isFollowing ? this.#applications.next() : this.#applications.refresh();
      isFollowing = false;
      await isRead;
      isFollowing = true;
      deliver(this.#read(this.#applications.entriesOf(app), service));
      return 0;
    };
  }

  async close(): Promise<void> {
    this.#applications.close();
  }

  /** @returns false when the server knows no such entry */
  async #send(method: 'GET' | 'PUT' | 'DELETE', path: string): Promise<boolean> {
    const { status } = await this.#http.send({ method, path: `${this.#base}${path}`, expected: [404] });
    return status !== 404;
  }

  #read(entries: readonly unknown[], service: string): readonly Instance[] {
    return this.#reader.read(
      entries,
      (entry) => decodeInfo(entry, service),
      (entry) => String((entry as { instanceId?: unknown }).instanceId),
    );
  }
}

function appPath(service: string): string {
  return `/apps/${encodeURIComponent(appOf(service))}`;
}

function pathOf(instance: Instance): string {
  return `${appPath(instance.service)}/${encodeURIComponent(infoIdOf(instance))}`;
}

function basic({ name, password }: { readonly name: string; readonly password: string }): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

/**
 * Opens the Eureka that a `eureka://host:port/eureka` URL names.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function eurekaRegistry(url: URL, context: AdapterContext): Registry {
  return new ServerRegistry(new Eureka(new UrlOptions(url, context.secrets), context), context);
}
