import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** A connection that is open on both sides, in `/proc/net/tcp` (Linux, include/net/tcp_states.h). */
const ESTABLISHED = 0x01;

/** A listening socket. */
const LISTENING = 0x0a;

/** Further states: established, close-wait, listening. */
const STATES: ReadonlySet<number> = new Set([ESTABLISHED, 0x08, LISTENING]);

/** A handshake whose client has its answer and is, or soon will be, connected. */
const SYN_RECEIVED = 0x03;

/** Tables of sockets, and how many hexadecimal digits an address has in each. */
const TABLES = [
  ['tcp', 8],
  ['tcp6', 32],
] as const;

/** Bytes read at a time. Between two of these slices the event loop goes on. */
const SLICE = 65_536;

const NEWLINE = 0x0a;
const COLON = 0x3a;

/**
 * Bytes and connections that the kernel holds for `ports`, on which this process listens, and that it has not read yet: for a
 * listening socket its accept queue and the handshakes under way, for a connection its receive queue. Closing a listener while they
 * are not empty loses requests that were already delivered (races R20), or resets a client that believes it is connected. 0 where
 * `/proc/net/tcp` does not exist.
 *
 * It runs at the end of a drain, and the listeners close in the same turn, so it is synchronous and uses no thread of the pool.
 * The tables hold every socket of the machine or pod; it scans them as bytes and parses only the rows of these ports.
 */
export function unreadInKernel(ports: ReadonlySet<number>, folder = '/proc/net'): number {
  return TABLES.reduce((sum, [name, digits]) => sum + unreadIn(readTable(`${folder}/${name}`), digits, ports), 0);
}

/** The accept queues of some ports. */
export interface Queues {
  /** Listening sockets. */
  readonly listeners: number;
  /** Connections that nobody has accepted. */
  readonly queued: number;
  /** Clients on their way into a queue. */
  readonly handshakes: number;
  /** Guests that are connected. */
  readonly guests: number;
}

/**
 * The accept queues of `ports`, with the connections from the local ports `guests` among what is in them. Synchronous, as
 * {@link unreadInKernel} is.
 */
export function queuesOf(ports: ReadonlySet<number>, guests: ReadonlySet<number>, folder = '/proc/net'): Queues {
  const found = { listeners: 0, queued: 0, handshakes: 0, guests: 0 };
  for (const [name, digits] of TABLES) {
    const rows = readTable(`${folder}/${name}`);
    for (const needle of needlesOf(ports))
      eachOf(rows, needle, digits, (_, state) => {
        const now = hexadecimal(rows, state, 2);
        if (now === SYN_RECEIVED) found.handshakes++;
        if (now !== LISTENING) return;
        found.listeners++;
        found.queued += hexadecimal(rows, state + 12, 8);
      });
    for (const needle of needlesOf(guests))
      eachOf(rows, needle, digits, (_, state) => {
        if (hexadecimal(rows, state, 2) === ESTABLISHED) found.guests++;
      });
  }
  return found;
}

function unreadIn(rows: Buffer, digits: number, ports: ReadonlySet<number>): number {
  let unread = 0;
  for (const needle of needlesOf(ports))
    eachOf(rows, needle, digits, (_, state) => {
      const now = hexadecimal(rows, state, 2);
      if (now === SYN_RECEIVED) unread++;
      else if (STATES.has(now)) unread += hexadecimal(rows, state + 12, 8);
    });
  return unread;
}

/** The whole table; empty where it cannot be read. */
function readTable(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** The local ports, as written in a row. */
function needlesOf(ports: ReadonlySet<number>): readonly Buffer[] {
  return [...ports].map((port) => Buffer.from(`:${port.toString(16).toUpperCase().padStart(4, '0')} `));
}

/**
 * Called with the position of the state in a row. A row begins after the newline before it and ends with the newline after it.
 */
type Visit = (rows: Buffer, state: number) => void;

/**
 * Visits every row of the tables whose local port is one of `ports`, in slices, so that the event loop never waits for long. None
 * where the tables do not exist.
 */
export async function eachRow(ports: ReadonlySet<number>, folder: string, visit: Visit): Promise<void> {
  const needles = needlesOf(ports);
  await Promise.all(TABLES.map(([name, digits]) => eachRowOf(`${folder}/${name}`, digits, needles, visit)));
}

async function eachRowOf(path: string, digits: number, needles: readonly Buffer[], visit: Visit): Promise<void> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return;
  try {
    await readSlices(file, (rows) => {
      for (const needle of needles) eachOf(rows, needle, digits, visit);
    });
  } catch {
    // An unreadable table counts as empty.
  } finally {
    await file.close();
  }
}

/** Calls `each` with whole rows, some at a time. */
async function readSlices(file: FileHandle, each: (rows: Buffer) => void): Promise<void> {
  const slice = Buffer.allocUnsafe(SLICE);
  for (let kept = 0; ; ) {
    const { bytesRead } = await file.read(slice, kept, SLICE - kept);
    if (bytesRead === 0) return;
    const filled = slice.subarray(0, kept + bytesRead);
    const whole = filled.lastIndexOf(NEWLINE) + 1;
    each(filled.subarray(0, whole));
    kept = slice.copy(slice, 0, whole, filled.length);
  }
}

/**
 * Visits the rows whose local port is `needle`. A row is "sl: address:port address:port state sent:received ...", and each of
 * these columns but the first is as wide in every row (Linux, net/ipv4/tcp_ipv4.c).
 */
function eachOf(rows: Buffer, needle: Buffer, digits: number, visit: Visit): void {
  for (let at = rows.indexOf(needle); at >= 0; at = rows.indexOf(needle, at + 1)) {
    // A remote port is not followed by a colon at that distance, so it does not match.
    if (rows[at - digits - 2] !== COLON) continue;
    visit(rows, at + needle.length + digits + needle.length);
  }
}

/** The number at `at`: digits and capital letters, as the kernel writes them. */
function hexadecimal(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index++) {
    const digit = bytes[index] ?? 0;
    value = value * 16 + digit - (digit > 0x39 ? 0x37 : 0x30);
  }
  return value;
}
