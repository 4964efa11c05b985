import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Most connections, whatever the process may open: 2,000 providers may say GoAway at once. */
const MOST = 4_096;

/** Fewest, however little it may open. */
const FEWEST = 16;

/** Descriptors of a process where they cannot be read: the usual soft limit of a shell. */
const USUAL_DESCRIPTORS = 1_024;

/** Part of the process's descriptors that connections of the control server may take, and part of those that one address may. */
const SHARE = 1 / 4;
const SHARE_OF_ADDRESS = 1 / 2;

/** The connections of one address: those that may be cut off, the longest idle first, and those that are kept. */
interface Group {
  readonly idle: Set<Socket>;
  readonly kept: Set<Socket>;
}

/**
 * Bounds connections, so that a stranger who opens many takes no descriptor that the application needs. When there are too
 * many the one that has been idle longest goes, of the address that has most: so who has just come is served while a flood
 * lasts. Only who has proved himself is kept, because a stranger can be slow in a thousand ways.
 */
export class ConnectionLimit {
  readonly #most: number;
  readonly #mostEach: number;
  readonly #groups = new Map<string, Group>();
  readonly #groupOf = new Map<Socket, Group>();
  /** Connections by their two ends: a request that came by TLS has another socket than the one that was admitted. */
  readonly #byEnds = new Map<string, Socket>();

  /** @param most connections at a time; by default a quarter of the descriptors of this process, 16 to 4,096 */
  constructor(most: number = Math.min(Math.max(Math.floor(descriptors() * SHARE), FEWEST), MOST)) {
    this.#most = most;
    this.#mostEach = Math.max(Math.floor(most * SHARE_OF_ADDRESS), 1);
  }

  /** A connection has come: another one goes for it if need be, or it does itself when all are kept. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const own = this.#groups.get(address);
    const isGreedy = own !== undefined && sizeOf(own) >= this.#mostEach;
    if (isGreedy || this.#groupOf.size >= this.#most) {
      const [leaver] = (isGreedy ? own : this.#greediest())?.idle ?? [];
      if (leaver === undefined) return void socket.destroy();
      this.#drop(leaver);
      leaver.destroy();
    }
    const group = this.#groups.get(address) ?? { idle: new Set(), kept: new Set() };
    this.#groups.set(address, group);
    this.#groupOf.set(socket, group);
    group.idle.add(socket);
    const ends = endsOf(socket);
    this.#byEnds.set(ends, socket);
    socket.once('close', () => {
      this.#drop(socket);
      if (this.#byEnds.get(ends) === socket) this.#byEnds.delete(ends);
      if (sizeOf(group) === 0 && this.#groups.get(address) === group) this.#groups.delete(address);
    });
  }

  /** A request has come on it: it is the last to go. */
  touch(of: Socket): void {
    const socket = this.#admitted(of);
    const group = this.#groupOf.get(socket);
    if (group?.idle.delete(socket)) group.idle.add(socket);
  }

  /** Who calls has proved himself: it stays until `response` is over. */
  keep(of: Socket, response: ServerResponse): void {
    const socket = this.#admitted(of);
    const group = this.#groupOf.get(socket);
    if (!group?.idle.delete(socket)) return;
    group.kept.add(socket);
    response.once('close', () => {
      if (group.kept.delete(socket)) group.idle.add(socket);
    });
  }

  #admitted(socket: Socket): Socket {
    return this.#byEnds.get(endsOf(socket)) ?? socket;
  }

  /** The address with most connections, of those that have one that may be cut off. */
  #greediest(): Group | undefined {
    let greediest: Group | undefined;
    for (const group of this.#groups.values())
      if (group.idle.size > 0 && (greediest === undefined || sizeOf(group) > sizeOf(greediest))) greediest = group;
    return greediest;
  }

  #drop(socket: Socket): void {
    const group = this.#groupOf.get(socket);
    this.#groupOf.delete(socket);
    group?.idle.delete(socket);
    group?.kept.delete(socket);
  }
}

function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function sizeOf({ idle, kept }: Group): number {
  return idle.size + kept.size;
}

/** How many descriptors this process may have open: the soft limit, where the system tells it (Linux, proc(5)). */
function descriptors(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? USUAL_DESCRIPTORS : Number(soft);
  } catch {
    return USUAL_DESCRIPTORS;
  }
}
