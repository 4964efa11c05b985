import type { Capabilities, Failure, Instance, Listener, Registry } from './registry.ts';

/**
 * A registry whose adapter is still being loaded. Calls wait until the adapter is loaded; if that fails they reject with its
 * error.
 */
export class OpeningRegistry implements Registry {
  readonly type: string;
  readonly #opening: Promise<Registry>;
  #opened: Registry | undefined;

  constructor(urls: readonly URL[], opening: Promise<Registry>) {
    this.type = urls.map(({ protocol }) => protocol.slice(0, -1)).join(',');
    this.#opening = opening;
    opening.then(
      (registry) => {
        this.#opened = registry;
      },
      () => {},
    );
  }

  get address(): string {
    return this.#opened?.address ?? '';
  }

  get capabilities(): Capabilities {
    return this.#opened?.capabilities ?? { push: false, lagMs: Number.POSITIVE_INFINITY, expires: false };
  }

  get failure(): Failure | undefined {
    return this.#opened?.failure;
  }

  get members(): readonly Registry[] | undefined {
    return this.#opened?.members;
  }

  async register(instance: Instance): Promise<void> {
    return (await this.#opening).register(instance);
  }

  async deregister(instance: Instance): Promise<void> {
    return (await this.#opening).deregister(instance);
  }

  async instances(service: string): Promise<readonly Instance[]> {
    return (await this.#opening).instances(service);
  }

  async watch(service: string, listener: Listener): Promise<() => void> {
    return (await this.#opening).watch(service, listener);
  }

  async close(): Promise<void> {
    return (await this.#opening).close();
  }
}
