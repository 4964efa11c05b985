import type { Socket } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import { type HttpServer, kindOf } from './http-server.ts';

/** State of an HTTP/1.1 connection in Node.js (lib/_http_server.js). */
interface Parser {
  readonly socket: Socket | null;
  /** The request that is being read; its head is whole. */
  readonly incoming: object | null | undefined;
}

/** State of the connections of a server (src/node_http_parser.cc). */
interface Connections {
  readonly all: () => readonly Parser[];
  /** Connections that read a request, and those that have not carried one yet. */
  readonly active: () => readonly Parser[];
}

/** The used part of a server. */
interface Shape {
  readonly [key: symbol]: unknown;
  /** Its open connections, those in a TLS handshake too. */
  readonly _connections: number;
  readonly headersTimeout?: number;
  readonly requestTimeout?: number;
}

/**
 * Traffic that has reached the servers and is not a request yet: incomplete heads, and connections without any data.
 *
 * It uses the same list as `closeIdleConnections` of Node.js. So it counts nothing per request or connection, and costs only its
 * checks: 0.3 ms for 10,000 connections.
 */
export class Arriving {
  readonly #clock: Clock;
  readonly #servers: Iterable<HttpServer>;
  /** Monotonic time at which a part of a head was first seen, by connection. */
  #since: ReadonlyMap<Socket, number> = new Map();
  #begun: readonly Socket[] = [];
  #silent: ReadonlySet<Socket> = new Set();
  #handshakes = 0;
  #newestAt = 0;

  constructor(clock: Clock, servers: Iterable<HttpServer>) {
    this.#clock = clock;
    this.#servers = servers;
  }

  /** Connections on which a request has begun to arrive, within the time-out of their server. */
  get begun(): readonly Socket[] {
    return this.#begun;
  }

  /** Connections that have never sent data. */
  get silent(): readonly Socket[] {
    return [...this.#silent];
  }

  /** Number of connections that have never sent a request, including those in a TLS handshake. */
  get silentCount(): number {
    return this.#silent.size + this.#handshakes;
  }

  /** Monotonic time at which the newest of these was first seen. */
  get newestAt(): number {
    return this.#newestAt;
  }

  /** These values are from the last check. */
  look(): void {
    const now = this.#clock.now();
    const since = new Map<Socket, number>();
    const begun: Socket[] = [];
    const silent = new Set<Socket>();
    let handshakes = 0;
    for (const server of this.#servers) {
      const shape = server as unknown as Shape;
      const connections = connectionsOf(shape);
      if (connections === undefined) continue;
      const patienceMs = shape.headersTimeout || shape.requestTimeout || Number.POSITIVE_INFINITY;
      for (const { socket, incoming } of connections.active()) {
        if (socket === null || socket.destroyed || incoming != null) continue;
        if (socket.bytesRead === 0) {
          silent.add(socket);
          continue;
        }
        const at = this.#since.get(socket) ?? now;
        since.set(socket, at);
        if (now - at < patienceMs) begun.push(socket);
      }
      if (kindOf(server) === 'http1') handshakes += Math.max(0, shape._connections - connections.all().length);
    }
    const isNewer = handshakes > this.#handshakes || [...silent].some((socket) => !this.#silent.has(socket));
    if (isNewer) this.#newestAt = now;
    this.#since = since;
    this.#begun = begun;
    this.#silent = silent;
    this.#handshakes = handshakes;
  }
}

/** Undefined for a server that speaks only HTTP/2. */
function connectionsOf(server: Shape): Connections | undefined {
  const isIt = ({ description }: symbol): boolean => description === 'http.server.connections';
  const key = Object.getOwnPropertySymbols(server).find(isIt);
  return key && (server[key] as Connections);
}
