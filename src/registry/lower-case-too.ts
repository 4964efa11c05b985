import type { Capabilities, Failure, Instance, Listener, Registry } from './registry.ts';

/**
 * Wraps a registry that distinguishes capitals. It lists a service whose name has capitals in small letters too, because the host
 * of a URL has no capitals: `http://OrderService/` asks for `orderservice`. Clients that use the original name find that.
 */
export class LowerCaseToo implements Registry {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  get type(): string {
    return this.#registry.type;
  }

  get address(): string {
    return this.#registry.address;
  }

  get capabilities(): Capabilities {
    return this.#registry.capabilities;
  }

  get failure(): Failure | undefined {
    return this.#registry.failure;
  }

  get members(): readonly Registry[] | undefined {
    return this.#registry.members;
  }

  async register(instance: Instance): Promise<void> {
    await Promise.all(entriesOf(instance).map((entry) => this.#registry.register(entry)));
  }

  async deregister(instance: Instance): Promise<void> {
    await Promise.all(entriesOf(instance).map((entry) => this.#registry.deregister(entry)));
  }

  instances(service: string): Promise<readonly Instance[]> {
    return this.#registry.instances(service);
  }

  watch(service: string, listener: Listener): Promise<() => void> {
    return this.#registry.watch(service, listener);
  }

  close(): Promise<void> {
    return this.#registry.close();
  }
}

function entriesOf(instance: Instance): readonly Instance[] {
  const service = instance.service.toLowerCase();
  return service === instance.service ? [instance] : [instance, { ...instance, service }];
}
