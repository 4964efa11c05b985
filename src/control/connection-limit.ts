import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { readStart } from '../io/small-file.ts';

/** Most connections, whatever the process may open: 2,000 providers may say GoAway at once. */
const MOST = 4_096;

/** Fewest, however little it may open. */
const FEWEST = 16;

/** Descriptors of a process where they cannot be read: the usual soft limit of a shell. */
const USUAL_DESCRIPTORS = 1_024;

/** More than `/proc/self/limits` has, in bytes. */
const LONGEST_LIMITS = 8_192;

/** Part of the process's descriptors that connections of the control server may take, and part of those that one address may. */
const SHARE = 1 / 4;
const SHARE_OF_ADDRESS = 1 / 2;

/** The connections of one address by their key: those that may be cut off, the longest idle first, and those that are kept. */
interface Group {
  readonly idle: Map<string, Socket>;
  readonly kept: Map<string, Socket>;
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
  readonly #groupOf = new Map<string, Group>();

  /** @param most connections at a time; by default a quarter of the descriptors of this process, 16 to 4,096 */
  constructor(most: number = Math.min(Math.max(Math.floor(descriptors() * SHARE), FEWEST), MOST)) {
    this.#most = most;
    this.#mostEach = Math.max(Math.floor(most * SHARE_OF_ADDRESS), 1);
  }

  /** A connection has come: another one goes for it if need be, or it does itself when all are kept. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const key = keyOf(socket);
    const own = this.#groups.get(address);
    const isGreedy = own !== undefined && sizeOf(own) >= this.#mostEach;
    if (isGreedy || this.#groupOf.size >= this.#most) {
      const [leaver] = (isGreedy ? own : this.#greediest())?.idle ?? [];
      if (leaver === undefined) return void socket.destroy();
      this.#drop(...leaver);
      leaver[1].destroy();
    }
    const group = this.#groups.get(address) ?? { idle: new Map(), kept: new Map() };
    this.#groups.set(address, group);
    this.#groupOf.set(key, group);
    group.idle.set(key, socket);
    socket.once('close', () => {
      this.#drop(key, socket);
      if (sizeOf(group) === 0 && this.#groups.get(address) === group) this.#groups.delete(address);
    });
  }

  /** A request has come on it: it is the last to go. */
  touch(socket: Socket): void {
    const key = keyOf(socket);
    const idle = this.#groupOf.get(key)?.idle;
    const known = idle?.get(key);
    if (known === undefined) return;
    idle?.delete(key);
    idle?.set(key, known);
  }

  /** Who calls has proved himself: it stays until `response` is over. */
  keep(socket: Socket, response: ServerResponse): void {
    const key = keyOf(socket);
    const group = this.#groupOf.get(key);
    const known = group?.idle.get(key);
    if (group === undefined || known === undefined) return;
    group.idle.delete(key);
    group.kept.set(key, known);
    response.once('close', () => {
      if (group.kept.get(key) !== known) return;
      group.kept.delete(key);
      group.idle.set(key, known);
    });
  }

  /** The address with most connections, of those that have one that may be cut off. */
  #greediest(): Group | undefined {
    let greediest: Group | undefined;
    for (const group of this.#groups.values())
      if (group.idle.size > 0 && (greediest === undefined || sizeOf(group) > sizeOf(greediest))) greediest = group;
    return greediest;
  }

  #drop(key: string, socket: Socket): void {
    const group = this.#groupOf.get(key);
    if (group?.idle.get(key) !== socket && group?.kept.get(key) !== socket) return;
    this.#groupOf.delete(key);
    group.idle.delete(key);
    group.kept.delete(key);
  }
}

/** Its far end: the same for a connection and for the TLS that runs over it, which are two sockets. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function sizeOf({ idle, kept }: Group): number {
  return idle.size + kept.size;
}

/** How many descriptors this process may have open: the soft limit, where the system tells it (Linux, proc(5)). */
function descriptors(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readStart('/proc/self/limits', LONGEST_LIMITS))?.[1];
    return soft === undefined ? USUAL_DESCRIPTORS : Number(soft);
  } catch {
    return USUAL_DESCRIPTORS;
  }
}
