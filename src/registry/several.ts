import { asError } from '../errors.ts';
import { whenAborted } from '../lifecycle/abort.ts';
import { Backoff } from '../lifecycle/backoff.ts';
import { sleep } from '../lifecycle/clock.ts';
import { newestByAddress } from './address.ts';
import type { RegistryContext } from './context.ts';
import type { Capabilities, Failure, Instance, Listener, Registry } from './registry.ts';
import { Watches } from './watches.ts';

/** Waits before a refused watch of one registry is retried; the others are read meanwhile, so there is no hurry. */
const WAITS = { initialMs: 2_000, factor: 1.6, capMs: 30_000 };

/**
 * Several registries as one, for the time of a migration. An instance is registered in all of them and deregistered from all; one
 * failure fails the whole, so that an instance counts as ready, or as gone, only when all consumers see it so. Lists are merged:
 * one entry for each address, of the newest generation. When a registry cannot be read, its last list stays.
 */
class SeveralRegistries implements Registry {
  readonly type: string;
  readonly address: string;
  readonly capabilities: Capabilities;
  readonly members: readonly Registry[];
  readonly #context: RegistryContext;
  readonly #watches = new Watches();
  readonly #merged = new Set<MergedWatch>();

  constructor(members: readonly Registry[], context: RegistryContext) {
    const all = members.map(({ capabilities }) => capabilities);
    this.members = members;
    this.#context = context;
    this.type = members.map(({ type }) => type).join(',');
    this.address = members.map(({ address }) => address).join(',');
    this.capabilities = {
      push: all.every(({ push }) => push),
      lagMs: Math.max(...all.map(({ lagMs }) => lagMs)),
      expires: all.every(({ expires }) => expires),
      registers: all.some(({ registers }) => registers !== false),
    };
  }

  get failure(): Failure | undefined {
    const failing = this.members.find(({ failure }) => failure !== undefined);
    return failing?.failure && { ...failing.failure, message: `${failing.type}: ${failing.failure.message}` };
  }

  async register(instance: Instance): Promise<void> {
    await allOf(this.members.map((member) => member.register(instance)));
  }

  async deregister(instance: Instance): Promise<void> {
    await allOf(this.members.map((member) => member.deregister(instance)));
  }

  async instances(service: string): Promise<readonly Instance[]> {
    const lists = await Promise.allSettled(this.members.map((member) => member.instances(service)));
    const failed = lists.find((list) => list.status === 'rejected');
    if (failed !== undefined && lists.every(({ status }) => status === 'rejected')) throw failed.reason;
    const known = [...this.#merged].find((watch) => watch.service === service);
    return merge(lists.map((list, n) => (list.status === 'fulfilled' ? list.value : (known?.listOf(n) ?? []))));
  }

  watch(service: string, listener: Listener): Promise<() => void> {
    return this.#watches.begin((signal) => {
      const watch = new MergedWatch(this.members, this.#context, { service, listener, signal });
      this.#merged.add(watch);
      whenAborted(signal, () => this.#merged.delete(watch));
      return watch.start();
    });
  }

  async close(): Promise<void> {
    this.#watches.close();
    await Promise.all(this.members.map((member) => member.close()));
  }
}

interface MergedWatchOptions {
  readonly service: string;
  readonly listener: Listener;
  readonly signal: AbortSignal;
}

/** One service in every registry, until it is aborted. */
class MergedWatch {
  readonly service: string;
  readonly #members: readonly Registry[];
  readonly #context: RegistryContext;
  readonly #listener: Listener;
  readonly #lists: (readonly Instance[] | undefined)[];
  readonly #signal: AbortSignal;
  #delivered: string | undefined;
  #started = false;

  constructor(
    members: readonly Registry[],
    context: RegistryContext,
    { service, listener, signal }: MergedWatchOptions,
  ) {
    this.service = service;
    this.#signal = signal;
    this.#members = members;
    this.#context = context;
    this.#listener = listener;
    this.#lists = members.map(() => undefined);
  }

  /** The last list of the nth registry. */
  listOf(n: number): readonly Instance[] | undefined {
    return this.#lists[n];
  }

  /** Delivers the lists that can be read and retries the others. @throws when none can be read */
  async start(): Promise<void> {
    const begun = await Promise.allSettled(this.#members.map((_, n) => this.#begin(n)));
    const failed = begun.flatMap((each, n) => (each.status === 'rejected' ? [{ n, error: asError(each.reason) }] : []));
    if (failed.length === this.#members.length) throw failed[0]?.error;
    for (const { n, error } of failed) void this.#again(n, error);
    this.#started = true;
    this.#deliver();
  }

  async #begin(n: number): Promise<void> {
    const stop = await this.#members[n]?.watch(this.service, (list) => {
      this.#lists[n] = list;
      this.#deliver();
    });
    if (stop !== undefined) whenAborted(this.#signal, stop);
  }

  async #again(n: number, { message }: Error): Promise<void> {
    const { clock, log } = this.#context;
    log('warn', `${this.service} is read from the other registries: ${message}`, {
      code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
    });
    const backoff = new Backoff(WAITS);
    for (;;) {
      await sleep(clock, backoff.next(), this.#signal);
      if (this.#signal.aborted) return;
      try {
        return await this.#begin(n);
      } catch {
        // It is logged once, and retried.
      }
    }
  }

  #deliver(): void {
    if (!this.#started || this.#signal.aborted) return;
    const merged = merge(this.#lists.map((list) => list ?? []));
    const text = JSON.stringify(merged);
    if (text === this.#delivered) return;
    this.#delivered = text;
    try {
      this.#listener(merged);
    } catch {
      // An error of a listener does not affect the watch.
    }
  }
}

/** One entry for each address: that of the newest generation, and of the registry that is named first. */
function merge(lists: readonly (readonly Instance[])[]): readonly Instance[] {
  return [...newestByAddress(lists.flat()).values()].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
}

/** Waits for all, then fails with the first failure. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

/** Several registries as one; they are used in the order given. */
export function severalRegistries(members: readonly Registry[], context: RegistryContext): Registry {
  return new SeveralRegistries(members, context);
}
