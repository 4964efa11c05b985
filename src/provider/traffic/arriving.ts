import type { Socket } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import { plainAddress } from '../../protocol/host-port.ts';
import { type HttpServer, kindOf } from './http-server.ts';

/** What Node.js keeps of one connection of HTTP/1.1 (lib/_http_server.js). */
interface Parser {
  readonly socket: Socket | null;
  /** The request that is being read; its head is whole. */
  readonly incoming: object | null | undefined;
}

/** What it keeps of the connections of a server (src/node_http_parser.cc). */
interface Connections {
  readonly all: () => readonly Parser[];
  /** Those that read a request, and those that have not carried one yet. */
  readonly active: () => readonly Parser[];
}

/** What of a server is read here. */
interface Shape {
  readonly [key: symbol]: unknown;
  /** Its open connections, those in a TLS handshake too. */
  readonly _connections: number;
  readonly headersTimeout?: number;
  readonly requestTimeout?: number;
}

/**
 * What has reached the servers and is no request yet: heads that are not whole, and connections that have said nothing.
 *
 * It asks what Node.js itself asks in `closeIdleConnections`. So nothing is counted per request or per connection, and the
 * only cost is that of a look: 0.3 ms for 10,000 connections.
 */
export class Arriving {
  readonly #clock: Clock;
  readonly #servers: Iterable<HttpServer>;
  /** Monotonic time at which a part of a head was first seen, by connection. */
  #since: ReadonlyMap<Socket, number> = new Map();
  #begun: readonly Socket[] = [];
  /** Monotonic time at which a connection that has said nothing was first seen. */
  #silent: ReadonlyMap<Socket, number> = new Map();
  #handshakes = 0;
  /** Monotonic time at which there were last more of them. */
  #handshakesAt = 0;

  constructor(clock: Clock, servers: Iterable<HttpServer>) {
    this.#clock = clock;
    this.#servers = servers;
  }

  /** Connections on which a request has begun to arrive, for as long as their server gives it. */
  get begun(): readonly Socket[] {
    return this.#begun;
  }

  /** Connections that have never said anything. */
  get silent(): readonly Socket[] {
    return [...this.#silent.keys()];
  }

  /** How many have never said anything, those in a TLS handshake included. */
  get silentCount(): number {
    return this.#silent.size + this.#handshakes;
  }

  /**
   * Monotonic time at which the newest of these was first seen; undefined when there are none. @param isTold the address of somebody
   * who sends nothing more, and does not count
   */
  newestSilent(isTold: (address: string) => boolean): number | undefined {
    const newest = new Map<string, number>();
    for (const [{ remoteAddress = '' }, at] of this.#silent)
      newest.set(remoteAddress, Math.max(at, newest.get(remoteAddress) ?? at));
    let last = this.#handshakes > 0 ? this.#handshakesAt : undefined;
    for (const [address, at] of newest) if (!isTold(plainAddress(address))) last = Math.max(at, last ?? at);
    return last;
  }

  /** What is told here is as of the last look. */
  look(): void {
    const now = this.#clock.now();
    const since = new Map<Socket, number>();
    const begun: Socket[] = [];
    const silent = new Map<Socket, number>();
    let handshakes = 0;
    for (const server of this.#servers) {
      const shape = server as unknown as Shape;
      const connections = connectionsOf(shape);
      if (connections === undefined) continue;
      const patienceMs = shape.headersTimeout || shape.requestTimeout || Number.POSITIVE_INFINITY;
      for (const { socket, incoming } of connections.active()) {
        if (socket === null || socket.destroyed || incoming != null) continue;
        if (socket.bytesRead === 0) {
          silent.set(socket, this.#silent.get(socket) ?? now);
          continue;
        }
        const at = this.#since.get(socket) ?? now;
        since.set(socket, at);
        if (now - at < patienceMs) begun.push(socket);
      }
      if (kindOf(server) === 'http1') handshakes += Math.max(0, shape._connections - connections.all().length);
    }
    if (handshakes > this.#handshakes) this.#handshakesAt = now;
    this.#since = since;
    this.#begun = begun;
    this.#silent = silent;
    this.#handshakes = handshakes;
  }
}

/** Undefined for a server of HTTP/2 alone. */
function connectionsOf(server: Shape): Connections | undefined {
  const isIt = ({ description }: symbol): boolean => description === 'http.server.connections';
  const key = Object.getOwnPropertySymbols(server).find(isIt);
  return key && (server[key] as Connections);
}
