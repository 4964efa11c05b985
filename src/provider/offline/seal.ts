import type { Server, Socket } from 'node:net';
import { connect } from '../../io/connect.ts';
import { isWorker } from '../../process/cluster.ts';
import { reachableHere } from '../registration/advertise.ts';
import { holdsOnly } from '../traffic/kernel.ts';

/** More than any kernel allows, so the listener gets what the kernel allows (Linux, net.core.somaxconn): the old length cannot be read. */
const LONGEST_QUEUE = 65_535;

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
 * @returns whether nobody but the plugin is in a queue or on the way into one; if not, the queues are as they were. Undefined: it
 *   cannot keep clients out. Never rejects
 */
export async function seal(servers: readonly Server[]): Promise<boolean | undefined> {
  const queues = process.platform !== 'linux' || isWorker() ? [] : servers.flatMap(queueOf);
  if (queues.length < servers.length) return undefined;
  const guests = queues.map(enter);
  // A socket connects in the next tick, which is in this turn.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const ports = new Set(queues.map(({ port }) => port));
  if (holdsOnly(ports, new Set(guests.map(({ localPort = 0 }) => localPort)))) return true;
  for (const { listen } of queues) listen(LONGEST_QUEUE);
  for (const guest of guests) guest.destroy();
  return false;
}

/** Shortens a queue, and begins to connect to it. */
function enter({ host, port, listen }: Queue): Socket {
  listen(0);
  return connect({ host, port }, undefined).on('error', () => {});
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
