import type { Instance } from '../../../src/registry/registry.ts';
import { anInstance } from '../an-instance.ts';
import { Child } from './child.ts';

const FILE = new URL('../../fixtures/consumer/provider.ts', import.meta.url);

/** An instance of `service-b` without the plugin, in its own process. */
export class PlainProvider {
  readonly #child: Child;
  readonly instance: Instance;
  #id = 0;
  /** Unanswered requests. */
  held = 0;

  private constructor(child: Child, instance: Instance) {
    this.#child = child;
    this.instance = instance;
    child.process.on('message', (received: { type: string; count?: number }) => {
      if (received.type === 'held') this.held = received.count ?? 0;
    });
  }

  static async start(
    instanceId: string,
    some: Partial<Instance> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<PlainProvider> {
    const child = Child.node(FILE, { args: [instanceId], env, ipc: true });
    const { port } = await child.receives<{ type: string; port: number }>(({ type }) => type === 'ready');
    const registeredAt = Date.now() - 3_600_000;
    return new PlainProvider(
      child,
      anInstance({ service: 'service-b', instanceId, generation: 1, port, registeredAt, ...some }),
    );
  }

  tell(type: 'state' | 'release' | 'mark', more: object = {}): Promise<{ served: number; sockets: number }> {
    const id = ++this.#id;
    const answer = this.#child.receives<{ id?: number; served: number; sockets: number }>(
      (received) => received.id === id,
    );
    this.#child.send({ type, id, ...more });
    return answer;
  }

  stop(): Promise<void> {
    return this.#child.destroy();
  }
}
