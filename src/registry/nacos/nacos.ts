import { isDeepStrictEqual } from 'node:util';
import { LosslessError } from '../../errors.ts';
import { addressKey } from '../address.ts';
import type { AdapterContext } from '../context.ts';
import { EntryReader } from '../entry-reader.ts';
import type { Round } from '../follow.ts';
import type { Capabilities, Failure, Instance, Registry } from '../registry.ts';
import { type Backend, ServerRegistry } from '../server-registry.ts';
import { settle } from '../settle.ts';
import { addressOf, UrlOptions } from '../url-options.ts';
import { NacosApi } from './api.ts';
import { decodeEntry, encodeEntry, type NacosEntry } from './entry.ts';
import { NacosPush } from './push.ts';

/** Default port of the HTTP API. */
const PORT = 8_848;

/** Delay until a list shows a change, in milliseconds: the push delay of the server and a margin. */
const DELAY_MS = 700;

/**
 * Nacos 1.x to 3.x over HTTP. An entry is an ephemeral instance, registered as unhealthy and made healthy by its first heartbeat:
 * a registration that arrives late, after the entry was removed, is therefore never used, and a late heartbeat finds no instance.
 * An instance that replaces an entry in use is healthy from the start; otherwise it would vanish for a moment. The server pushes
 * watched lists (gRPC, from Nacos 2 on); otherwise they are polled. A write resolves when the list shows it, or after a while.
 */
class Nacos implements Backend {
  readonly type = 'nacos';
  readonly title = 'Nacos';
  readonly address: string;
  readonly beatMs: number;
  readonly #context: AdapterContext;
  readonly #nacos: NacosApi;
  readonly #push: NacosPush | undefined;
  readonly #ttlMs: number;
  readonly #pollMs: number;
  readonly #reader: EntryReader;

  constructor(options: UrlOptions, context: AdapterContext) {
    const { clock } = context;
    const servers = options.servers(PORT);
    const base = options.url.pathname.replace(/\/+$/, '') || '/nacos';
    const namespace = options.text('namespace');
    const group = options.text('group') ?? 'DEFAULT_GROUP';
    // The clusters are always named, because by default the new API lists one cluster, the old one and the pushes all.
    const clusters = options.text('cluster') ?? 'DEFAULT';
    const tls = options.tls();
    this.#context = context;
    this.address = addressOf(servers);
    this.#ttlMs = options.integer('ttlMs', 15_000, 1_000, 3_600_000);
    this.beatMs = this.#ttlMs / 3;
    this.#pollMs = options.integer('pollMs', 2_000, 50, 60_000);
    this.#reader = new EntryReader('Nacos instance', context);
    const { secrets } = context;
    this.#nacos = new NacosApi({
      clock,
      servers,
      tls,
      user: options.user(),
      secrets,
      base,
      namespace,
      group,
      clusters,
    });
    // The gRPC port has TLS settings of its own, which are not configured; and a token must not be sent in clear text.
    const push = options.flag('push', tls === undefined);
    if (push && tls !== undefined)
      throw new LosslessError(
        'LOSSLESS_REGISTRY_URL',
        'push=true is not possible with TLS; without push lists are polled',
      );
    if (push)
      this.#push = new NacosPush({
        clock,
        servers,
        namespace,
        group,
        clusters,
        headers: () => this.#nacos.credentials,
      });
    options.done();
  }

  get capabilities(): Capabilities {
    const push = this.#push?.stands === true;
    return { push, lagMs: push ? DELAY_MS : Math.ceil((this.#pollMs * 11) / 10) + DELAY_MS, expires: true };
  }

  get failure(): Failure | undefined {
    return this.#nacos.failure;
  }

  async write(instance: Instance, former?: Instance): Promise<void> {
    const { service } = instance;
    const entry = this.#entryOf(instance);
    await this.#nacos.register(service, entry, former !== undefined);
    if (!(await this.#nacos.beat(service, entry)))
      throw new Error('Nacos does not know the instance that was just registered');
    await this.#shows(service, (list) => list.some((listed) => isDeepStrictEqual(listed, instance)));
  }

  async beat(instance: Instance): Promise<void> {
    if (!(await this.#nacos.beat(instance.service, this.#entryOf(instance)))) await this.write(instance);
  }

  async remove(instance: Instance): Promise<void> {
    const { service, instanceId } = instance;
    if (await this.#isTaken(instance)) return;
    await this.#nacos.remove(service, this.#entryOf(instance));
    await this.#shows(service, (list) => !list.some((listed) => listed.instanceId === instanceId));
  }

  async list(service: string): Promise<readonly Instance[]> {
    return this.#read(await this.#nacos.list(service), service);
  }

  rounds(service: string): Round {
    return async (deliver, signal) => {
      deliver(await this.list(service));
      const onHosts = (hosts: readonly unknown[]): void => deliver(() => this.#read(hosts, service));
      return (await this.#push?.follow(service, onHosts, signal)) ? 0 : this.#pollMs;
    };
  }

  async close(): Promise<void> {
    this.#push?.close();
  }

  /** An address has one entry here: that of a newer process at the same address stays. */
  async #isTaken({ service, instanceId, generation, ...address }: Instance): Promise<boolean> {
    if (this.failure !== undefined) return false;
    const listed = await this.list(service).catch(() => []);
    return listed.some(
      (entry) =>
        addressKey(entry) === addressKey(address) && entry.generation > generation && entry.instanceId !== instanceId,
    );
  }

  /** Waits until the list shows a write, a little after the call. */
  #shows(service: string, isShown: (list: readonly Instance[]) => boolean): Promise<void> {
    return settle(this.#context.clock, async () => isShown(await this.list(service)));
  }

  #read(entries: readonly unknown[], service: string): readonly Instance[] {
    return this.#reader.read(
      entries,
      (entry) => decodeEntry(entry, service),
      (entry) => {
        const { ip, port } = (entry ?? {}) as { ip?: unknown; port?: unknown };
        return `${String(ip)}:${String(port)} of ${service}`;
      },
    );
  }

  #entryOf(instance: Instance): NacosEntry {
    return encodeEntry(instance, this.#ttlMs);
  }
}

/**
 * Opens the Nacos servers that a `nacos://host:port` URL names.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function nacosRegistry(url: URL, context: AdapterContext): Registry {
  return new ServerRegistry(new Nacos(new UrlOptions(url, context.secrets), context), context);
}
