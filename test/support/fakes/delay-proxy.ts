import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { listening, portOf } from '../listening.ts';

/**
 * A TCP proxy that delays everything each way, ends and resets included, to simulate distance. It can also hold back what the target
 * says on new connections.
 */
export class DelayProxy {
  readonly #server: Server;
  readonly #delayMs: number;
  readonly #held = new Set<Socket>();
  #isHolding = false;
  /** Port of the target. */
  target = 0;
  /**
   * Times at which the target refused a connection, in milliseconds since the Unix epoch. This side has accepted it already, so the
   * client sees a reset where a really distant host would refuse.
   */
  readonly refusedAt: number[] = [];
  /** Called for each connection; the returned function gets the bytes of its client. */
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

  /** From here on the target says nothing on new connections. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Passes on what was held back, and all that follows. */
  release(): void {
    this.#isHolding = false;
    for (const far of this.#held) far.resume();
    this.#held.clear();
  }

  #accept(near: Socket): void {
    // A handshake is a round trip.
    setTimeout(() => {
      const far = createConnection({ port: this.target, host: '127.0.0.1', allowHalfOpen: true });
      far.once('error', ({ code }: NodeJS.ErrnoException) => {
        if (code === 'ECONNREFUSED') this.refusedAt.push(performance.timeOrigin + performance.now());
      });
      if (this.#isHolding) this.#held.add(far.pause());
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
