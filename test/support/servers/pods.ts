import { createHash } from 'node:crypto';
import type { Instance, Listener, Registry } from '../../../src/registry/registry.ts';
import type { Kubernetes } from './kubernetes.ts';

/**
 * Pods, kubelet and EndpointSlice controller of a cluster, as far as a registry shows them: each registered instance becomes one
 * slice. A slice cannot hold an instance, so the endpoint carries the instance's digest as `zone`, by which lists are mapped back to
 * instances. Lists, watches and their failures are those of the adapter.
 */
export class Pods implements Registry {
  readonly #adapter: Registry;
  readonly #kubernetes: Kubernetes;
  readonly #all: Map<string, Instance>;
  #turn: Promise<void> = Promise.resolve();

  /** @param all instances by digest, shared by the clients of a test run */
  constructor(adapter: Registry, kubernetes: Kubernetes, all: Map<string, Instance>) {
    this.#adapter = adapter;
    this.#kubernetes = kubernetes;
    this.#all = all;
  }

  get type(): string {
    return this.#adapter.type;
  }

  get address(): string {
    return this.#adapter.address;
  }

  get capabilities(): Registry['capabilities'] {
    return this.#adapter.capabilities;
  }

  register(instance: Instance): Promise<void> {
    return this.#inTurn(() => this.#list(instance));
  }

  deregister(instance: Instance): Promise<void> {
    return this.#inTurn(async () => {
      await this.#kubernetes.deleteSlice(sliceNameOf(instance));
      await this.#adapter.deregister({ ...instance, service: nameOf(instance.service), host: '192.0.2.1' });
    });
  }

  /** Runs one thing after the other, as a controller does. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #list(instance: Instance): Promise<void> {
    await this.#adapter.instances(nameOf(instance.service));
    const zone = digest(JSON.stringify(instance));
    this.#all.set(zone, instance);
    const name = sliceNameOf(instance);
    await this.#kubernetes.putSlice({
      name,
      service: nameOf(instance.service),
      ports: [{ name: 'http', port: instance.port }],
      endpoints: [{ addresses: ['192.0.2.1'], targetRef: { kind: 'Pod', name }, zone, conditions: { ready: true } }],
    });
  }

  async instances(service: string): Promise<readonly Instance[]> {
    return this.#lookUp(await this.#adapter.instances(nameOf(service)));
  }

  watch(service: string, listener: Listener): Promise<() => void> {
    return this.#adapter.watch(nameOf(service), (list) => listener(this.#lookUp(list)));
  }

  close(): Promise<void> {
    return this.#adapter.close();
  }

  #lookUp(list: readonly Instance[]): readonly Instance[] {
    return list.map(({ metadata }) => this.#all.get(metadata['zone'] ?? '') as Instance);
  }
}

/** A plain name for a Service. */
function nameOf(service: string): string {
  return `s-${digest(service)}`;
}

function sliceNameOf({ service, instanceId }: Instance): string {
  return `p-${digest(JSON.stringify([service, instanceId]))}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
