import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Instance } from '../../../src/registry/registry.ts';
import { Child } from './child.ts';

const FILE = new URL('../../fixtures/consumer/hole.ts', import.meta.url);

/** An instance whose kernel drops every new connection. */
export class DeafInstance {
  readonly #child: Child;
  readonly #fill: readonly Socket[];
  readonly instance: Instance;

  private constructor(child: Child, fill: readonly Socket[], instance: Instance) {
    this.#child = child;
    this.#fill = fill;
    this.instance = instance;
  }

  static async start(like: Instance, instanceId: string): Promise<DeafInstance> {
    const child = Child.node(FILE, { ipc: true });
    const { port } = await child.receives<{ type: string; port: number }>(({ type }) => type === 'ready');
    // Two fit into its queue; the others replace connections that it accepted before it stopped.
    const fill = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    await Promise.all(fill.slice(0, 2).map((socket) => once(socket, 'connect')));
    return new DeafInstance(child, fill, { ...like, instanceId, port });
  }

  async stop(): Promise<void> {
    for (const socket of this.#fill) socket.destroy();
    await this.#child.destroy();
  }
}
