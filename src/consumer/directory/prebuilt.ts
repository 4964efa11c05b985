import type { Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import { suppressTracing } from '../../io/suppress.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';

/**
 * How long an unused connection is kept before it is renewed, in milliseconds: servers close connections without a request,
 * Tomcat after 20 seconds (`connectionTimeout`), Node.js after 60 (`headersTimeout`).
 */
const LIFE_MS = 15_000;

/** Number of renewals: the first requests come once the platform has seen that this instance is ready. */
const RENEWALS = 3;

/** Idle time before TCP keep-alive probes, in milliseconds, the same as in undici. */
const KEEP_ALIVE_MS = 60_000;

/** Events that make an unused connection useless, including data from the server before a request. */
const GONE = ['data', 'end', 'close'];

/** What the guard calls this. */
const HOOK = 'a connection that stands ready';

/** Where a connection leads. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  /** The name that the certificate must have; undefined without TLS. */
  readonly servername?: string;
}

/**
 * One connection that is prepared for the first request of any client. It speaks HTTP/1.1, with the authorities of Node.js. It
 * never keeps the process alive.
 */
export class Prebuilt {
  readonly destination: Destination;
  readonly #clock: Clock;
  readonly #onGone: () => void;
  #socket: Socket | undefined;
  #timer: Timer | undefined;
  #left = RENEWALS;
  #closed = false;

  constructor(destination: Destination, clock: Clock, guard: Guard) {
    this.destination = destination;
    this.#clock = clock;
    this.#onGone = guard.listener(HOOK, () => this.#drop());
  }

  /**
   * Resolves when the connection is ready.
   *
   * @throws Error when it is not ready within `withinMs` milliseconds
   */
  async open(withinMs: number): Promise<void> {
    const { once } = process.getBuiltinModule('node:events');
    const late = new AbortController();
    const timer = this.#clock.after(withinMs, () => late.abort());
    const socket = suppressTracing(() => this.#connect());
    try {
      const { servername } = this.destination;
      await once(socket, servername === undefined ? 'connect' : 'secureConnect', { signal: late.signal });
    } catch (thrown) {
      socket.destroy();
      throw thrown;
    } finally {
      timer.cancel();
    }
    if (this.#closed) socket.destroy();
    else this.#keep(socket);
  }

  get stands(): boolean {
    return this.#socket !== undefined;
  }

  /** The connection, for an HTTP/1.1 request that begins now; undefined when it is not ready (any more). */
  take(): Socket | undefined {
    this.#left = 0;
    const socket = this.#release();
    if (socket === undefined || socket.destroyed || !socket.writable) return undefined;
    return socket.off('error', ignore).ref();
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #connect(): Socket {
    const { host, port, servername } = this.destination;
    const common = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    const socket =
      servername === undefined
        ? process.getBuiltinModule('node:net').connect(common)
        : process.getBuiltinModule('node:tls').connect({ ...common, servername, ALPNProtocols: ['http/1.1'] });
    return socket.on('error', ignore).unref();
  }

  #keep(socket: Socket): void {
    this.#socket = socket;
    for (const event of GONE) socket.on(event, this.#onGone);
    this.#timer = this.#clock.after(LIFE_MS, () => {
      this.#drop();
      if (this.#left-- > 0) this.open(LIFE_MS).catch(ignore);
    });
  }

  #drop(): void {
    this.#release()?.destroy();
  }

  #release(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#timer?.cancel();
    for (const event of GONE) socket?.off(event, this.#onGone);
    return socket;
  }
}

function ignore(): void {}
