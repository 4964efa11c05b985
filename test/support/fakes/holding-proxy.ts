import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { listening, portOf } from '../listening.ts';

/** A TCP proxy that counts its connections, and can hold back what the target says on them. */
export class HoldingProxy {
  readonly #server: Server;
  readonly #target: number;
  readonly #held = new Set<Socket>();
  #isHolding = false;
  /** Connections whose client has sent something. */
  used = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  static async start(target: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target);
    await listening(proxy.#server);
    return proxy;
  }

  get port(): number {
    return portOf(this.#server);
  }

  /** Lets the target say nothing on new connections. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Passes on what was held back, and all that follows. */
  release(): void {
    this.#isHolding = false;
    for (const far of this.#held) far.resume();
    this.#held.clear();
  }

  close(): void {
    this.#server.close();
  }

  #accept(near: Socket): void {
    const far = createConnection({ port: this.#target, host: '127.0.0.1', noDelay: true });
    near.setNoDelay(true).once('data', () => this.used++);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
    }
    if (!this.#isHolding) return;
    far.pause();
    this.#held.add(far);
  }
}
