import { parseJson } from '../../json.ts';
import type { AdapterContext } from '../context.ts';
import { EntryReader } from '../entry-reader.ts';
import type { Round } from '../follow.ts';
import { HttpClient } from '../http.ts';
import type { Failure, Instance, Registry } from '../registry.ts';
import { type Backend, ServerRegistry } from '../server-registry.ts';
import { addressOf, UrlOptions } from '../url-options.ts';
import { decodeService, encodeService, serviceIdOf } from './entry.ts';

/** Default port of an agent's HTTP API. */
const PORT = 8_500;

/** How long a blocking query waits for a change, in seconds; a silently dead connection is noticed after it. */
const WAIT_S = 30;

/** Extra wait for the answer, in milliseconds: Consul adds up to a sixteenth to the wait. */
const WAIT_GRACE_MS = 5_000;

/** How long a service is critical before Consul removes it; the shortest possible time. */
const FORGET = '1m';

/**
 * A Consul agent. An entry is a service with a TTL check, registered as critical and passed with a second call: a registration
 * that arrives late, after the entry was removed, is therefore never listed, and a late heartbeat finds no check. Watches are
 * blocking queries.
 */
class Consul implements Backend {
  readonly type = 'consul';
  readonly title = 'Consul';
  readonly address: string;
  readonly capabilities = { push: true, lagMs: 250, expires: true } as const;
  readonly beatMs: number;
  readonly #http: HttpClient;
  readonly #dc: string | undefined;
  readonly #ttlMs: number;
  readonly #reader: EntryReader;
  /**
   * Services of this process, which are listed in the data centre of the agent, even if lists of others come from another one.
   */
  readonly #own = new Set<string>();

  constructor(options: UrlOptions, context: AdapterContext) {
    // An entry belongs to one agent, and only that agent can remove it.
    const servers = [options.server(PORT)];
    const token = options.secret('token');
    this.address = addressOf(servers);
    this.#dc = options.text('dc');
    this.#ttlMs = options.integer('ttlMs', 15_000, 1_000, 3_600_000);
    this.beatMs = this.#ttlMs / 3;
    this.#reader = new EntryReader('Consul service', context);
    this.#http = new HttpClient({
      clock: context.clock,
      servers,
      tls: options.tls(),
      secrets: context.secrets,
      ...(token && { headers: () => ({ 'x-consul-token': token() }) }),
    });
    options.done();
  }

  get failure(): Failure | undefined {
    return this.#http.failure;
  }

  async write(instance: Instance): Promise<void> {
    this.#own.add(instance.service);
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

  async beat(instance: Instance): Promise<void> {
    if (!(await this.#pass(instance))) await this.write(instance);
  }

  async remove(instance: Instance): Promise<void> {
    const path = `/v1/agent/service/deregister/${encodeURIComponent(serviceIdOf(instance))}`;
    await this.#http.send({ method: 'PUT', path, expected: [404] });
  }

  async list(service: string): Promise<readonly Instance[]> {
    const { text } = await this.#http.send({ method: 'GET', path: this.#pathOf(service) });
    return this.#read(text, service);
  }

  /** Blocking queries, each from the index of the one before. The index begins anew when it goes back, and after a failure. */
  rounds(service: string): Round {
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
      return 0;
    };
  }

  /** @returns false when the agent knows no such check */
  async #pass(instance: Instance): Promise<boolean> {
    const path = `/v1/agent/check/pass/${encodeURIComponent(`service:${serviceIdOf(instance)}`)}`;
    const { status } = await this.#http.send({ method: 'PUT', path, expected: [404] });
    return status !== 404;
  }

  #pathOf(service: string): string {
    const dc = this.#dc === undefined || this.#own.has(service) ? '' : `&dc=${encodeURIComponent(this.#dc)}`;
    return `/v1/health/service/${encodeURIComponent(service)}?passing=true${dc}`;
  }

  #read(text: string, service: string): readonly Instance[] {
    const entries: unknown = parseJson(text, 'the answer');
    if (!Array.isArray(entries)) throw new Error('the answer is not a list');
    return this.#reader.read(
      entries,
      (entry) => decodeService(entry, service),
      (entry) => String((entry as { Service?: { ID?: unknown } } | null)?.Service?.ID),
    );
  }
}

/**
 * Opens the Consul agent that a `consul://host:port` URL names.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function consulRegistry(url: URL, context: AdapterContext): Registry {
  return new ServerRegistry(new Consul(new UrlOptions(url, context.secrets), context), context);
}
