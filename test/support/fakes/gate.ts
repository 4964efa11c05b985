import type { AddressInfo, Server } from 'node:net';

/** A server in front of another one, on a port of loopback that it keeps: shut and opened again it stands for one that fails. */
export abstract class Gate {
  protected abstract readonly server: Server;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  /** Listens, on the same port as before. */
  async up(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.server.address() as AddressInfo).port;
  }

  /** Cuts every connection and refuses new ones. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }

  async close(): Promise<void> {
    if (this.server.listening) await this.down();
  }

  /** Ends all connections. */
  protected abstract cut(): void;
}
