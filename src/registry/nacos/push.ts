import type { Server } from '../../io/connect.ts';
import { whenAborted } from '../../lifecycle/abort.ts';
import { Backoff } from '../../lifecycle/backoff.ts';
import { type ConnectionOptions, NacosConnection, type Subscriber } from './connection.ts';

/**
 * Waits before the next server is tried, after one without a gRPC port (Nacos 1, a firewall) or one that soon ended a connection.
 * Lists are polled meanwhile, and servers are updated or moved within minutes, not seconds.
 */
const WAITS = { initialMs: 30_000, factor: 2, capMs: 300_000 };

/** A connection that ends sooner than this, in milliseconds, counts as refused. */
const SOON_MS = 30_000;

/** Interval at which a subscription is renewed and its list read, in milliseconds. */
const RENEW_MS = 60_000;

export interface PushOptions extends Omit<ConnectionOptions, 'server'> {
  /** Tried in turn, one each time. */
  readonly servers: readonly Server[];
}

/** The lists that Nacos pushes: one connection for all services, opened when it is needed. */
export class NacosPush {
  readonly #options: PushOptions;
  #connection: Promise<NacosConnection | undefined> | undefined;
  readonly #backoff = new Backoff(WAITS);
  #turn = 0;
  #notBefore = 0;
  #stands = false;

  constructor(options: PushOptions) {
    this.#options = options;
  }

  /** The server pushes lists, as far as known. */
  get stands(): boolean {
    return this.#stands;
  }

  /**
   * Delivers the lists of a service until the connection ends, or for a while.
   *
   * @returns false, at once, when there is no such connection, or the server does not send that list
   */
  async follow(service: string, onHosts: Subscriber['onHosts'], signal: AbortSignal): Promise<boolean> {
    const connection = await this.#open();
    if (connection === undefined || signal.aborted) return false;
    const { promise: over, resolve: onEnd } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(RENEW_MS, onEnd);
    const forget = whenAborted(signal, onEnd);
    try {
      const stop = await connection.subscribe(service, { onHosts, onEnd });
      await over;
      stop();
      return true;
    } catch {
      return false;
    } finally {
      timer.cancel();
      forget();
    }
  }

  close(): void {
    this.#notBefore = Number.POSITIVE_INFINITY;
    void this.#connection?.then((connection) => connection?.close());
  }

  #open(): Promise<NacosConnection | undefined> {
    this.#connection ??= this.#connect().then((connection) => {
      this.#stands = connection !== undefined;
      if (connection === undefined) this.#connection = undefined;
      const { clock } = this.#options;
      const begun = clock.now();
      void connection?.ended.then(() => {
        this.#connection = undefined;
        this.#stands = false;
        if (clock.now() - begun < SOON_MS) this.#later();
        else this.#backoff.reset();
      });
      return connection;
    });
    return this.#connection;
  }

  /** The next server, after a wait. */
  #later(): void {
    this.#turn++;
    this.#notBefore = Math.max(this.#notBefore, this.#options.clock.now() + this.#backoff.next());
  }

  async #connect(): Promise<NacosConnection | undefined> {
    const { clock, servers } = this.#options;
    if (clock.now() < this.#notBefore) return undefined;
    const server = servers[this.#turn % servers.length] as Server;
    try {
      return await NacosConnection.open({ ...this.#options, server });
    } catch {
      this.#later();
      return undefined;
    }
  }
}
