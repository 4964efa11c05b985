import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Agent } from 'undici';
import type { Guard } from '../../guard.ts';
import type { OpenAgent } from '../directory/connections.ts';
import type { Connector } from './connector.ts';

/** What the guard calls this. */
const HOOK = 'a connection of undici';

/** Knows its connections, also those that undici has forgotten. */
export class InstanceAgent implements OpenAgent {
  readonly #agent: Agent;
  readonly #guard: Guard;
  /** Its connections that are open. */
  readonly #open = new Set<Duplex>();

  /** @param make makes the agent, with this connector */
  constructor(make: (connect: Connector) => Agent, connect: Connector, guard: Guard) {
    this.#guard = guard;
    this.#agent = make((target, done) =>
      connect(target, (error, socket) => {
        guard.listener(HOOK, () => this.#keep(socket))();
        done(error, socket);
      }),
    );
  }

  dispatch(...call: Parameters<Agent['dispatch']>): boolean {
    return this.#agent.dispatch(...call);
  }

  async close(): Promise<void> {
    try {
      await this.#agent.close();
    } finally {
      // While undici 5 loads its parser it may forget one of two connections of a client; the instance would wait for it.
      for (const socket of this.#open) socket.destroy();
    }
  }

  async destroy(error: Error): Promise<void> {
    const destroyed = this.#agent.destroy(error);
    // One that is being closed has forgotten its connections.
    for (const socket of this.#open) socket.destroy(error);
    await destroyed;
  }

  upgraded(socket: Duplex): void {
    this.#open.delete(socket);
  }

  /** @param socket null or undefined when there is none */
  #keep(socket: Socket | null | undefined): void {
    if (!socket) return;
    this.#open.add(socket);
    socket.once(
      'close',
      this.#guard.listener(HOOK, () => this.#open.delete(socket)),
    );
  }
}
