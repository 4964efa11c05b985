import { jitter } from '../../lifecycle/backoff.ts';
import type { AdapterContext } from '../context.ts';
import { EntryReader } from '../entry-reader.ts';
import type { Round } from '../follow.ts';
import { decodeEntry, encodeEntry } from '../kratos-entry.ts';
import type { Failure, Instance, Registry } from '../registry.ts';
import { type Backend, ServerRegistry } from '../server-registry.ts';
import { addressOf, UrlOptions } from '../url-options.ts';
import { EtcdGateway, type KeyValue, type Range, type WatchMessage } from './gateway.ts';

/** Default port of etcd's clients. */
const PORT = 2_379;

/** Interval at which a watch is opened again, in milliseconds, so that a silently dead connection is noticed. */
const REOPEN_MS = 60_000;

/**
 * etcd v3 over its JSON gateway. An entry is a key under a lease of its own. Removing it revokes the lease, under which
 * nothing can be written again: a registration that arrives late fails. A watch reads the range once and goes on from its
 * revision; it reads again when that is compacted, or when the store has begun anew.
 */
class Etcd implements Backend {
  readonly type = 'etcd';
  readonly title = 'etcd';
  readonly address: string;
  readonly capabilities = { push: true, lagMs: 250, expires: true } as const;
  readonly beatMs: number;
  readonly #etcd: EtcdGateway;
  readonly #prefix: string;
  readonly #ttlS: number;
  readonly #leases = new Map<string, string>();
  readonly #reader: EntryReader;

  constructor(options: UrlOptions, context: AdapterContext) {
    const { clock, secrets } = context;
    const servers = options.servers(PORT);
    this.address = addressOf(servers);
    this.#prefix = (options.text('prefix') ?? '/microservices').replace(/\/+$/, '');
    this.#ttlS = Math.ceil(options.integer('ttlMs', 15_000, 2_000, 3_600_000) / 1_000);
    this.beatMs = (this.#ttlS * 1_000) / 3;
    this.#reader = new EntryReader('etcd entry', context);
    this.#etcd = new EtcdGateway({ clock, servers, tls: options.tls(), user: options.user(), secrets });
    options.done();
  }

  get failure(): Failure | undefined {
    return this.#etcd.failure;
  }

  async write(instance: Instance): Promise<void> {
    const entry = this.#entryOf(instance);
    const known = this.#leases.get(entry.key);
    if (known !== undefined && (await this.#etcd.put(entry, known))) return;
    const lease = await this.#etcd.grant(this.#ttlS);
    this.#leases.set(entry.key, lease);
    if (!(await this.#etcd.put(entry, lease))) throw new Error('etcd has lost the lease that it has just granted');
  }

  /** Keeps the lease alive, and writes a removed entry again. */
  async beat(instance: Instance): Promise<void> {
    const entry = this.#entryOf(instance);
    const lease = this.#leases.get(entry.key);
    const isKept =
      lease !== undefined && (await this.#etcd.keepAlive(lease)) && (await this.#etcd.putMissing(entry, lease));
    if (!isKept) await this.write(instance);
  }

  async remove(instance: Instance): Promise<void> {
    const { key } = this.#entryOf(instance);
    const lease = this.#leases.get(key);
    if (lease !== undefined) await this.#etcd.revoke(lease);
    this.#leases.delete(key);
    // The key may be under a lease of another process, or of an earlier registration.
    await this.#etcd.delete(key);
  }

  async list(service: string): Promise<readonly Instance[]> {
    return this.#read((await this.#etcd.range(this.#prefixOf(service))).entries, service);
  }

  rounds(service: string): Round {
    const prefix = this.#prefixOf(service);
    let known: { revision: bigint; readonly values: Map<string, string> } | undefined;
    return async (deliver, signal) => {
      const isNew = known === undefined;
      known ??= startOf(await this.#etcd.range(prefix));
      const { values } = known;
      const current = (): readonly Instance[] =>
        this.#read(
          [...values].map(([key, value]) => ({ key, value })),
          service,
        );
      const take = ({ revision, isCreated, isCompacted, canceled, changes }: WatchMessage): boolean => {
        if (known === undefined) return false;
        if (isCompacted || canceled !== undefined || revision < known.revision) {
          known = undefined;
          if (isCompacted) return false;
          throw new Error(canceled ?? 'the store has begun anew');
        }
        for (const change of changes) {
          if (change.value === undefined) values.delete(change.key);
          else values.set(change.key, change.value);
          known.revision = change.revision;
        }
        if (isCreated || changes.length > 0) deliver(current);
        return true;
      };
      if (isNew) deliver(current);
      await this.#etcd.watch(prefix, { from: known.revision + 1n, lastsMs: jitter(REOPEN_MS), signal }, take);
      return 0;
    };
  }

  #read(entries: readonly KeyValue[], service: string): readonly Instance[] {
    return this.#reader.read(
      entries,
      ({ value }) => decodeEntry(value, service),
      ({ key }) => key,
    );
  }

  #entryOf(instance: Instance): KeyValue {
    return { key: `${this.#prefixOf(instance.service)}${instance.instanceId}`, value: encodeEntry(instance) };
  }

  #prefixOf(service: string): string {
    return `${this.#prefix}/${service}/`;
  }
}

function startOf({ revision, entries }: Range): { revision: bigint; readonly values: Map<string, string> } {
  return { revision, values: new Map(entries.map(({ key, value }) => [key, value])) };
}

/**
 * Opens the etcd cluster that an `etcd://host:port,host:port` URL names.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function etcdRegistry(url: URL, context: AdapterContext): Registry {
  return new ServerRegistry(new Etcd(new UrlOptions(url, context.secrets), context), context);
}
