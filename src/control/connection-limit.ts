import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { readStart } from '../io/small-file.ts';

/** Most connections, however many descriptors the process may open: 2,000 providers may send a GoAway at once. */
const MOST = 4_096;

/** Fewest connections, however few descriptors the process may open. */
const FEWEST = 16;

/** Descriptors of a process whose limit cannot be read: the usual soft limit of a shell. */
const USUAL_DESCRIPTORS = 1_024;

/** Larger than `/proc/self/limits`, in bytes. */
const LONGEST_LIMITS = 8_192;

/** Part of the process's descriptors that connections of the control server may take, and part of those that one address may. */
const SHARE = 1 / 4;
const SHARE_OF_ADDRESS = 1 / 2;

/** The connections of one address by their key: those that may be closed, the longest idle first, and those that are kept. */
interface Group {
  readonly idle: Map<string, Socket>;
  readonly kept: Map<string, Socket>;
}

/**
 * Bounds connections, so that a stranger who opens many takes no descriptor from the application. When there are too many, it
 * closes the longest idle one of the address that has most, so that a new caller is served during a flood. Only proved callers
 * keep their connections, because a stranger can be slow in many ways.
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

  /** Takes a new connection: closes another one for it if necessary, or the new one when all others are kept. */
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

  /** A request has arrived on it: it becomes the last to be closed. */
  touch(socket: Socket): void {
    const key = keyOf(socket);
    const idle = this.#groupOf.get(key)?.idle;
    const known = idle?.get(key);
    if (known === undefined) return;
    idle?.delete(key);
    idle?.set(key, known);
  }

  /** The caller is proved: its connection stays until `response` is over. */
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

  /** The address with most connections, among those with one that may be closed. */
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

/** The remote end, which is the same for a connection and for the TLS socket over it. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function sizeOf({ idle, kept }: Group): number {
  return idle.size + kept.size;
}

/** Descriptors that this process may open: the soft limit, where the system reports it (Linux, proc(5)). */
function descriptors(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readStart('/proc/self/limits', LONGEST_LIMITS))?.[1];
    return soft === undefined ? USUAL_DESCRIPTORS : Number(soft);
  } catch {
    return USUAL_DESCRIPTORS;
  }
}
