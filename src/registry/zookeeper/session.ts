import { asError } from '../../errors.ts';
import type { Server, TlsFiles } from '../../io/connect.ts';
import { Backoff } from '../../lifecycle/backoff.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { Failure } from '../registry.ts';
import { SessionExpired } from './error.ts';
import { type SessionKey, ZooKeeperLink } from './link.ts';

/**
 * Waits before a lost connection is opened again without a call: shorter than any session, and longer after each connection that
 * is lost before an answer.
 */
const RECONNECTS = { initialMs: 500, factor: 2, capMs: 2_000 };

/** Connection attempts of one call, to one server after the other. */
const TRIES = { least: 2, most: 3 };

export interface SessionOptions {
  readonly clock: Clock;
  /** Tried in turn, beginning with the one that answered last. */
  readonly servers: readonly Server[];
  /** Undefined: without TLS. */
  readonly tls: TlsFiles | undefined;
  /** Requested time for which the session outlives its connection, in milliseconds. */
  readonly sessionMs: number;
  /** `user:password` of the scheme digest. */
  readonly user: string | undefined;
}

/**
 * A session with an ensemble, over one connection after the other. It connects when it is used, and resumes by its key; the
 * server of its former connection then ignores the requests of that one. An expired session is followed by a new one.
 */
export class ZooKeeperSession {
  readonly #options: SessionOptions;
  readonly #closing = new AbortController();
  readonly #reconnects = new Backoff(RECONNECTS);
  #key: SessionKey | undefined;
  #link: ZooKeeperLink | undefined;
  #opening: Promise<ZooKeeperLink> | undefined;
  /** Index of the server that answered last. */
  #current = 0;
  #isToEnd = false;
  #failure: Failure | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Since when and why the registry does not answer. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** The connection; opened when there is none. */
  link(): Promise<ZooKeeperLink> {
    if (this.#link?.isOpen && !this.#isToEnd) return Promise.resolve(this.#link);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Records how a call has ended; undefined: it was answered. */
  note(thrown?: unknown): void {
    if (thrown === undefined) {
      this.#failure = undefined;
      this.#reconnects.reset();
    } else
      this.#failure = { since: this.#failure?.since ?? this.#options.clock.wall(), message: asError(thrown).message };
  }

  /** The next call begins another session. This one, with all its entries, is ended as soon as possible. */
  renew(): void {
    this.#isToEnd = true;
  }

  /** @param isKept the session and its entries live on for their time */
  async close(isKept: boolean): Promise<void> {
    this.#closing.abort();
    const link = this.#link;
    this.#link = undefined;
    if (!isKept || this.#isToEnd) await link?.end().catch(() => {});
    link?.cut();
  }

  async #open(): Promise<ZooKeeperLink> {
    const link = await this.#attached();
    if (!this.#isToEnd) return link;
    this.#link = undefined;
    await link.end();
    this.#key = undefined;
    this.#isToEnd = false;
    return this.#attached();
  }

  async #attached(): Promise<ZooKeeperLink> {
    if (this.#link?.isOpen) return this.#link;
    const { servers } = this.#options;
    for (let left = Math.min(Math.max(servers.length, TRIES.least), TRIES.most); ; left--)
      try {
        if (this.#closing.signal.aborted) throw new Error('it is closed');
        return this.#follow(await this.#attach(servers[this.#current] as Server));
      } catch (thrown) {
        this.note(thrown);
        this.#current = (this.#current + 1) % servers.length;
        if (left <= 1) throw thrown;
      }
  }

  async #attach(server: Server): Promise<ZooKeeperLink> {
    const { clock, tls, sessionMs, user } = this.#options;
    const open = () => ZooKeeperLink.open({ clock, server, tls, sessionMs, user, session: this.#key });
    try {
      return await open();
    } catch (thrown) {
      if (!(thrown instanceof SessionExpired)) throw thrown;
      this.#key = undefined;
      return open();
    }
  }

  #follow(link: ZooKeeperLink): ZooKeeperLink {
    if (this.#closing.signal.aborted) link.cut();
    this.#key = link.session;
    this.#link = link;
    link.lost.catch((why) => this.#reconnect(link, why));
    return link;
  }

  async #reconnect(lost: ZooKeeperLink, why: unknown): Promise<void> {
    if (this.#link !== lost) return;
    this.note(why);
    const { signal } = this.#closing;
    await sleep(this.#options.clock, this.#reconnects.next(), signal);
    if (!signal.aborted) await this.link().catch(() => {});
  }
}
