import type { IncomingHttpHeaders } from 'node:http';
import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { plainAddress } from '../../protocol/host-port.ts';
import type { Caller } from '../../protocol/identity.ts';
import type { Callers } from './callers.ts';
import type { Connection } from './connection.ts';
import type { Asked, Health } from './health.ts';
import type { Ends, RecentCaller } from './recent-caller.ts';
import type { Unmanaged } from './unmanaged.ts';

/** The parts of a request that identify its sender. */
export interface Head extends Asked {
  /** It is a question about the server itself, not a call. */
  readonly isAside?: boolean;
}

export interface OwnersOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly callers: Callers;
  readonly unmanaged: Unmanaged;
  readonly health: Health;
  /** Reads a consumer header; `undefined` when it is malformed. */
  readonly decode: (header: string) => Caller | undefined;
  /** The caller is this process. */
  readonly isSelf: (caller: Caller) => boolean;
  /** A caller is seen for the first time. */
  readonly onNewCaller: (caller: RecentCaller) => void;
  /** A proxy forwards requests on the connection with these ends. */
  readonly onProxied: (ends: Ends) => void;
}

/**
 * The owner of each request. For a consumer it checks a connection only when its header changes; for other callers with each
 * request.
 */
export class Owners {
  readonly #options: OwnersOptions;
  #started = 0;
  #afterAck = 0;
  #notServed = 0;

  constructor(options: OwnersOptions) {
    this.#options = options;
  }

  /** Requests started since the process began. */
  get started(): number {
    return this.#started;
  }

  /** Requests of callers started since the process began: neither health checks nor those of this process itself. */
  get served(): number {
    return this.#started - this.#notServed;
  }

  /** Requests of consumers that started after their ack, beyond those on their way at that moment. */
  get afterAck(): number {
    return this.#afterAck;
  }

  /** Counts a request and finds its owner. */
  count(connection: Connection, header: string | undefined, request: Head, ends: Ends): void {
    this.#started++;
    if (connection.owner === undefined || header !== connection.header)
      this.#options.guard.attempt(
        'who sends a request',
        () => this.#own(connection, header, request.headers, ends),
        // A caller without an address gets no GoAway.
        () => this.#ownUnmanaged(connection),
      );
    const { owner } = connection;
    if (typeof owner === 'object' && request.isAside !== true) {
      const now = this.#options.clock.now();
      owner.protocols.add(connection.protocol);
      owner.rhythm.beat(now);
      if (owner.telling?.isBrokenBy(now)) this.#afterAck++;
    } else if (typeof owner === 'object' || owner === 'self') this.#notServed++;
    else this.#countStranger(connection, request);
  }

  /** The connection is closed, or has a new owner. */
  disown(connection: Connection): void {
    const { owner } = connection;
    connection.owner = undefined;
    if (owner === 'unmanaged') this.#options.unmanaged.closed(connection);
    else if (typeof owner === 'object') this.#options.callers.closed(owner, connection);
  }

  #countStranger(connection: Connection, request: Head): void {
    connection.isProbe = request.isAside === true || this.#options.health.isProbe(request);
    if (connection.isProbe) {
      this.#notServed++;
      return;
    }
    if (connection.owner === 'probe') this.#ownUnmanaged(connection);
    this.#options.unmanaged.requests++;
  }

  #own(connection: Connection, header: string | undefined, headers: IncomingHttpHeaders, ends: Ends): void {
    const { callers, decode, isSelf, onNewCaller } = this.#options;
    this.disown(connection);
    connection.header = header;
    connection.address = plainAddress(ends.remoteAddress ?? '');
    const caller = header === undefined ? undefined : decode(header);
    connection.isProbe = false;
    if (caller !== undefined && isSelf(caller)) {
      connection.owner = 'self';
    } else if (caller !== undefined) {
      const { entry, isNew } = callers.opened(caller, ends, connection);
      connection.owner = entry;
      if (isNew) onNewCaller(entry);
    } else {
      // Until it carries a request other than a health check.
      connection.owner = 'probe';
      if (isProxied(headers)) this.#options.onProxied(ends);
    }
  }

  #ownUnmanaged(connection: Connection): void {
    connection.owner = 'unmanaged';
    this.#options.unmanaged.opened(connection);
  }
}

/** Whether a header shows that a proxy has forwarded the request (RFC 7239, RFC 9110 section 7.6.3). */
function isProxied(headers: IncomingHttpHeaders): boolean {
  return headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined || headers.via !== undefined;
}
