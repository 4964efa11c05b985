import type { Server } from 'node:net';
import { listening } from '../listening.ts';

/** A server in front of another one, on a fixed port of loopback. Going down and up again simulates a failure. */
export abstract class Gate {
  protected abstract readonly server: Server;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  /** Listens, on the same port as before. */
  async up(): Promise<void> {
    this.#port = await listening(this.server, '127.0.0.1', this.#port);
  }

  /** Cuts every connection and refuses new ones. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }

  /** Goes down; resolves with a function that goes up again. */
  async outage(): Promise<() => Promise<void>> {
    await this.down();
    return () => this.up();
  }

  async close(): Promise<void> {
    if (this.server.listening) await this.down();
  }

  /** Ends all connections. */
  protected abstract cut(): void;
}
