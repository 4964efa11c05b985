import type { RegistryContext } from './context.ts';
import { follow, type Round } from './follow.ts';
import type { Capabilities, Failure, Instance, Listener, Registry } from './registry.ts';
import { attempt } from './unavailable.ts';
import { type EntryStore, Upkeep } from './upkeep.ts';
import { Watches } from './watches.ts';

/** The calls to one kind of server: the specific part of an adapter. */
export interface Backend extends EntryStore {
  /** Scheme of the URL. */
  readonly type: string;
  /** Its name for people, for example `Consul`. */
  readonly title: string;
  /** Its address, without credentials. */
  readonly address: string;
  readonly capabilities: Capabilities;
  /** Interval of heartbeats, in milliseconds. */
  readonly beatMs: number;
  /** Set while the server does not answer. */
  readonly failure: Failure | undefined;
  /** Reads the list of a service. */
  list(service: string): Promise<readonly Instance[]>;
  /** Follows the list of a service. */
  rounds(service: string): Round;
  /** Closes open connections. */
  close?(): Promise<void>;
}

/** A registry with a server, used through its backend. Upkeep of entries, following of lists and errors are the same for all. */
export class ServerRegistry implements Registry {
  readonly #backend: Backend;
  readonly #context: RegistryContext;
  readonly #upkeep: Upkeep;
  readonly #watches = new Watches();

  constructor(backend: Backend, context: RegistryContext) {
    this.#backend = backend;
    this.#context = context;
    this.#upkeep = new Upkeep({ context, store: backend, beatMs: backend.beatMs });
  }

  get type(): string {
    return this.#backend.type;
  }

  get address(): string {
    return this.#backend.address;
  }

  get capabilities(): Capabilities {
    return this.#backend.capabilities;
  }

  get failure(): Failure | undefined {
    return this.#backend.failure;
  }

  register(instance: Instance): Promise<void> {
    return this.#attempt(() => this.#upkeep.register(instance));
  }

  deregister(instance: Instance): Promise<void> {
    return this.#attempt(() => this.#upkeep.deregister(instance));
  }

  instances(service: string): Promise<readonly Instance[]> {
    return this.#attempt(() => this.#backend.list(service));
  }

  watch(service: string, listener: Listener): Promise<() => void> {
    const what = `the list of ${service} in ${this.#backend.title}`;
    const round = this.#backend.rounds(service);
    return this.#watches.begin((signal) =>
      this.#attempt(() => follow({ context: this.#context, listener, what, round }, signal)),
    );
  }

  async close(): Promise<void> {
    this.#watches.close();
    await this.#upkeep.close();
    await this.#backend.close?.();
  }

  #attempt<T>(work: () => Promise<T>): Promise<T> {
    return attempt(`the ${this.#backend.title} registry at ${this.address}`, work);
  }
}
