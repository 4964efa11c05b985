import { asError } from '../errors.ts';
import { decodeService, encodeService, serviceIdOf } from './consul-entry.ts';
import { type Following, follow, type Round } from './follow.ts';
import { HttpClient } from './http.ts';
import type { RegistryContext } from './open.ts';
import type { Failure, Instance, Listener, Registry } from './registry.ts';
import { TellOnce } from './tell-once.ts';
import { attempt } from './unavailable.ts';
import { Upkeep } from './upkeep.ts';
import { addressOf, UrlOptions } from './url-options.ts';

/** Default port of an agent's HTTP API. */
const PORT = 8_500;

/** How long a blocking query waits for a change, in seconds: a connection that died silently is found out after it. */
const WAIT_S = 30;

/** Consul adds up to a sixteenth to the wait; so much longer, in milliseconds, is its answer awaited. */
const WAIT_GRACE_MS = 5_000;

/** Consul removes a service that was critical for so long; a shorter time is not possible. */
const FORGET = '1m';

/**
 * A Consul agent. An entry is a service with a TTL check, registered as critical and passed with a second call: a registration
 * that arrives late, after the entry was removed, is therefore never listed, and a late heartbeat finds no check. Watches are
 * blocking queries.
 */
class ConsulRegistry implements Registry {
  readonly type = 'consul';
  readonly address: string;
  readonly capabilities = { push: true, lagMs: 250, expires: true } as const;
  readonly #context: RegistryContext;
  readonly #http: HttpClient;
  readonly #query: string;
  readonly #ttlMs: number;
  readonly #upkeep: Upkeep;
  readonly #watches = new Set<Following>();
  readonly #corrupt: TellOnce;

  constructor(options: UrlOptions, context: RegistryContext) {
    // An entry belongs to one agent: another one could not remove it.
    const servers = [options.server(PORT)];
    const token = options.secret('token');
    const dc = options.text('dc');
    this.#context = context;
    this.address = addressOf(servers);
    this.#query = `passing=true${dc === undefined ? '' : `&dc=${encodeURIComponent(dc)}`}`;
    this.#ttlMs = options.integer('ttlMs', 15_000, 1_000, 3_600_000);
    this.#corrupt = new TellOnce(context.log);
    this.#http = new HttpClient({
      clock: context.clock,
      servers,
      tls: options.tls(),
      ...(token && { headers: () => ({ 'x-consul-token': token() }) }),
    });
    options.done();
    this.#upkeep = new Upkeep({
      context,
      beatMs: this.#ttlMs / 3,
      store: {
        write: (instance) => this.#write(instance),
        beat: async (instance) => {
          if (!(await this.#pass(instance))) await this.#write(instance);
        },
        remove: (instance) => this.#remove(instance),
      },
    });
  }

  get failure(): Failure | undefined {
    return this.#http.failure;
  }

  register(instance: Instance): Promise<void> {
    return this.#attempt(() => this.#upkeep.register(instance));
  }

  deregister(instance: Instance): Promise<void> {
    return this.#attempt(() => this.#upkeep.deregister(instance));
  }

  instances(service: string): Promise<readonly Instance[]> {
    return this.#attempt(async () => {
      const { text } = await this.#http.send({ method: 'GET', path: this.#pathOf(service) });
      return this.#read(text, service);
    });
  }

  async watch(service: string, listener: Listener): Promise<() => void> {
    const following = await this.#attempt(() =>
      follow({
        context: this.#context,
        listener,
        what: `the list of ${service} in Consul`,
        round: this.#rounds(service),
        pauseMs: 0,
      }),
    );
    this.#watches.add(following);
    return () => {
      following.stop();
      this.#watches.delete(following);
    };
  }

  async close(): Promise<void> {
    for (const following of this.#watches) following.stop();
    this.#watches.clear();
    await this.#upkeep.close();
  }

  async #write(instance: Instance): Promise<void> {
    const Check = {
      Name: 'lossless-lifecycle',
      TTL: `${this.#ttlMs}ms`,
      Status: 'critical',
      DeregisterCriticalServiceAfter: FORGET,
    };
    const body = JSON.stringify({ ...encodeService(instance), Check });
    await this.#http.send({ method: 'PUT', path: '/v1/agent/service/register?replace-existing-checks=true', body });
    if (!(await this.#pass(instance))) throw new Error('the agent has lost the check that was just registered');
  }

  /** @returns false when the agent knows no such check */
  async #pass(instance: Instance): Promise<boolean> {
    const path = `/v1/agent/check/pass/${encodeURIComponent(`service:${serviceIdOf(instance)}`)}`;
    const { status } = await this.#http.send({ method: 'PUT', path, expected: [404] });
    return status !== 404;
  }

  async #remove(instance: Instance): Promise<void> {
    const path = `/v1/agent/service/deregister/${encodeURIComponent(serviceIdOf(instance))}`;
    await this.#http.send({ method: 'PUT', path, expected: [404] });
  }

  /** Blocking queries, each from the index of the one before. The index begins anew when it goes back, and after a failure. */
  #rounds(service: string): Round {
    let index = 0;
    return async (deliver, signal) => {
      const since = index;
      index = 0;
      const { headers, text } = await this.#http.send({
        method: 'GET',
        path: `${this.#pathOf(service)}${since === 0 ? '' : `&index=${since}&wait=${WAIT_S}s`}`,
        ...(since > 0 && { timeoutMs: WAIT_S * (17 / 16) * 1_000 + WAIT_GRACE_MS }),
        waits: since > 0,
        signal,
      });
      const next = Number(headers['x-consul-index']);
      if (!(next > 0)) throw new Error('the answer has no x-consul-index');
      deliver(this.#read(text, service));
      index = next < since ? 0 : next;
    };
  }

  #pathOf(service: string): string {
    return `/v1/health/service/${encodeURIComponent(service)}?${this.#query}`;
  }

  #read(text: string, service: string): readonly Instance[] {
    const entries: unknown = JSON.parse(text);
    if (!Array.isArray(entries)) throw new Error('the answer is not a list');
    return entries
      .flatMap((entry) => {
        try {
          return decodeService(entry, service) ?? [];
        } catch (thrown) {
          const id = String((entry as { Service?: { ID?: unknown } } | null)?.Service?.ID).slice(0, 200);
          const message = `the Consul service ${id} is passed over: ${asError(thrown).message}`;
          this.#corrupt.warn(id, 'LOSSLESS_REGISTRY_CORRUPT', message);
          return [];
        }
      })
      .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  }

  #attempt<T>(work: () => Promise<T>): Promise<T> {
    return attempt(`the Consul registry at ${this.address}`, work);
  }
}

/**
 * Opens the Consul agent that a `consul://host:port` URL names.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function consulRegistry(url: URL, context: RegistryContext): Registry {
  return new ConsulRegistry(new UrlOptions(url), context);
}
