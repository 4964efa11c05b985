import type { Server, Socket } from 'node:net';
import { connect } from '../../io/connect.ts';
import { type Clock, sleepSync } from '../../lifecycle/clock.ts';
import { isWorker } from '../../process/cluster.ts';
import { reachableHere } from '../registration/advertise.ts';
import { queuesOf } from '../traffic/kernel.ts';
import type { OwnSources } from './own-sources.ts';

/** More than any kernel allows, so the listener gets what the kernel allows (Linux, net.core.somaxconn): the old length cannot be read. */
const LONGEST_QUEUE = 65_535;

/**
 * Longest wait for the plugin's own connections, in milliseconds, in which the event loop stands still. They take microseconds; on a
 * busy machine the kernel may pass packets on later, and a filter may delay them.
 */
const ENTER_MS = 20;

/**
 * `sealed`: nobody but the plugin is in a queue or on the way into one, and nobody gets in. `client`: a client is there. `open`: nobody
 * is there, but somebody may get in. `cannot`: the plugin cannot keep clients out.
 */
export type Seal = 'sealed' | 'client' | 'open' | 'cannot';

/** An accept queue of this process. */
interface Queue {
  readonly host: string;
  readonly port: number;
  readonly listen: (length: number) => unknown;
}

/**
 * Keeps clients out of the accept queues of listeners that are about to close. Linux resets the connections in the queue of a
 * listener that closes, and a client can get in between the last look at the queue and the close. A full queue takes nobody: the
 * kernel drops the first packet of a client, which sends it again after a second, is refused then, and goes elsewhere. So the
 * plugin makes each queue as short as it can be, one connection, and fills it with a connection of its own.
 *
 * It leaves a queue alone that this process shares or has not opened itself, as a cluster worker or a socket unit has.
 *
 * Close the listeners in the turn in which it resolves: in the next one the event loop accepts what is in a queue.
 *
 * @param sources from which address the plugin's own connections come
 * @returns what it found; unless `sealed`, the queues are as they were. Never rejects
 */
export async function seal(servers: readonly Server[], clock: Clock, sources: OwnSources): Promise<Seal> {
  const queues = process.platform !== 'linux' || isWorker() ? [] : servers.flatMap(queueOf);
  if (queues.length < servers.length) return 'cannot';
  const guests = queues.map((queue) => enter(queue, sources));
  // A socket connects in the next tick, which is in this turn.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const ports = new Set(queues.map(({ port }) => port));
  const found = lookUntilFull(ports, new Set(guests.map(({ localPort = 0 }) => localPort)), clock);
  if (found === 'sealed') return found;
  for (const { listen } of queues) listen(LONGEST_QUEUE);
  for (const guest of guests) guest.destroy();
  return found;
}

/** Shortens a queue, and begins to connect to it from its own address: packets from another one may take a longer way. */
function enter({ host, port, listen }: Queue, sources: OwnSources): Socket {
  listen(0);
  return connect({ host, port, localAddress: sources.bindingFor(host) }, undefined).on('error', () => {});
}

/** Looks until the plugin's own connections fill the queues, or a client is there. */
function lookUntilFull(ports: ReadonlySet<number>, guests: ReadonlySet<number>, clock: Clock): Seal {
  const until = clock.now() + ENTER_MS;
  for (;;) {
    const { listeners, queued, handshakes, guests: connected } = queuesOf(ports, guests);
    // Where the kernel shows no sockets, nothing can be said.
    if (listeners === 0) return 'cannot';
    if (queued > connected || handshakes > guests.size - connected) return 'client';
    if (queued === guests.size) return 'sealed';
    if (clock.now() >= until) return 'open';
    sleepSync(1);
  }
}

/** The properties of a server that Node.js does not document (lib/net.js). */
interface Inside {
  readonly _handle?: { readonly listen?: (length: number) => unknown };
  /** Family, address and port at which this process has opened the socket. */
  readonly _connectionKey?: string;
}

function queueOf(server: Server): readonly Queue[] {
  const { _handle: handle, _connectionKey: key = '' } = server as unknown as Inside;
  const address = server.address();
  if (handle?.listen === undefined || typeof address !== 'object' || address === null || !/^[46]:/.test(key)) return [];
  const [host = address.address] = reachableHere(address);
  return [{ host, port: address.port, listen: (length) => handle.listen?.(length) }];
}
