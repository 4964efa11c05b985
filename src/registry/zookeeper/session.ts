import { asError } from '../../errors.ts';
import type { Server, TlsFiles } from '../../io/connect.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { jitter } from '../follow.ts';
import type { Failure } from '../registry.ts';
import { SessionExpired } from './error.ts';
import { type SessionKey, ZooKeeperLink } from './link.ts';

/** Wait before a connection that was lost is opened again when no call does so, in milliseconds: shorter than any session. */
const RECONNECT_MS = 500;

/** How often one call tries to connect, to one server after the other. */
const TRIES = { least: 2, most: 3 };

export interface SessionOptions {
  readonly clock: Clock;
  /** Tried in turn, beginning with the one that answered last. */
  readonly servers: readonly Server[];
  /** Undefined: without TLS. */
  readonly tls: TlsFiles | undefined;
  /** How long the session shall outlive its connection, in milliseconds. */
  readonly sessionMs: number;
  /** `user:password` of the scheme digest. */
  readonly user: string | undefined;
}

/**
 * A session with an ensemble, over one connection after the other. It is connected when it is used, and goes on under its key:
 * then the server that had its former connection does nothing any more of what was asked there. A session that has expired is
 * followed by a new one.
 */
export class ZooKeeperSession {
  readonly #options: SessionOptions;
  #key: SessionKey | undefined;
  #link: ZooKeeperLink | undefined;
  #opening: Promise<ZooKeeperLink> | undefined;
  /** Index of the server that answered last. */
  #current = 0;
  #isToEnd = false;
  #isClosed = false;
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

  /** Notes how a call has ended: undefined, it was answered. */
  note(thrown?: unknown): void {
    if (thrown === undefined) this.#failure = undefined;
    else
      this.#failure = { since: this.#failure?.since ?? this.#options.clock.wall(), message: asError(thrown).message };
  }

  /** Another session follows with the next call. This one is ended first, with every entry of it, as soon as it can be. */
  renew(): void {
    this.#isToEnd = true;
  }

  /** @param isKept the session lives on for its time, and so do its entries */
  async close(isKept: boolean): Promise<void> {
    this.#isClosed = true;
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
        if (this.#isClosed) throw new Error('it is closed');
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
    if (this.#isClosed) link.cut();
    this.#key = link.session;
    this.#link = link;
    link.lost.catch((why) => {
      if (this.#link !== link) return;
      this.note(why);
      this.#options.clock.after(jitter(RECONNECT_MS), () => {
        if (!this.#isClosed) this.link().catch(() => {});
      });
    });
    return link;
  }
}
