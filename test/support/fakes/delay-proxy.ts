import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { listening, portOf } from '../listening.ts';

/** A TCP proxy that holds everything back for some milliseconds each way, ends and resets included, and so stands for distance. */
export class DelayProxy {
  readonly #server: Server;
  readonly #delayMs: number;
  /** Port it passes on to. */
  target = 0;
  /**
   * When nobody listened at the other end, in milliseconds since the Unix epoch. The connection on this side stood already, so
   * that a client sees a reset where at a real distance it would have been refused.
   */
  readonly refusedAt: number[] = [];
  /** Called with each connection; what it returns sees what its client sends. */
  onConnection: () => (chunk: Buffer) => void = () => () => {};

  private constructor(delayMs: number) {
    this.#delayMs = delayMs;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => this.#accept(near));
  }

  static async start(delayMs: number): Promise<DelayProxy> {
    const proxy = new DelayProxy(delayMs);
    await listening(proxy.#server);
    return proxy;
  }

  get port(): number {
    return portOf(this.#server);
  }

  close(): void {
    this.#server.close();
  }

  #accept(near: Socket): void {
    // A handshake is a round trip.
    setTimeout(() => {
      const far = createConnection({ port: this.target, host: '127.0.0.1', allowHalfOpen: true });
      far.once('error', ({ code }: NodeJS.ErrnoException) => {
        if (code === 'ECONNREFUSED') this.refusedAt.push(performance.timeOrigin + performance.now());
      });
      near.on('data', this.onConnection());
      this.#pass(near, far);
      this.#pass(far, near);
      near.resume();
    }, 2 * this.#delayMs);
  }

  #pass(from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => setTimeout(() => to.write(chunk), this.#delayMs));
    from.on('end', () => setTimeout(() => to.end(), this.#delayMs));
    from.on('error', () => setTimeout(() => to.resetAndDestroy(), this.#delayMs));
    from.on('close', (hadError) =>
      setTimeout(() => (hadError ? to.resetAndDestroy() : to.destroySoon()), this.#delayMs),
    );
  }
}
