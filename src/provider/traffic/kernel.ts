import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Socket states of `/proc/net/tcp` (Linux, include/net/tcp_states.h): established, close-wait, listening. */
const STATES: ReadonlySet<number> = new Set([0x01, 0x08, 0x0a]);

/** A handshake whose client has its answer and is, or soon will be, connected. */
const SYN_RECEIVED = 0x03;

const LISTENING = '0A';

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
 * Bytes and connections that the kernel holds for `ports` and this process has not read yet: for a listening socket its accept
 * queue and the handshakes under way, for a connection its receive queue. Closing a listener or a connection while they are not
 * empty loses requests that were already delivered (races R20), or resets a client that believes it is connected. 0 where
 * `/proc/net/tcp` does not exist.
 *
 * It runs at the end of a drain, and the listeners close in the same turn, so it is synchronous and uses no thread of the pool.
 * The tables hold every socket of the machine or pod; it scans them as bytes and parses only the rows of these ports.
 *
 * @param isListening whether this process listens there. Otherwise a listener at these ports, with its accept queue, belongs to
 *   another process, such as systemd.
 */
export function unreadInKernel(ports: ReadonlySet<number>, isListening: boolean, folder = '/proc/net'): number {
  let unread = 0;
  const needles = needlesOf(ports);
  for (const [name, digits] of TABLES) {
    const rows = readTable(`${folder}/${name}`);
    for (const needle of needles)
      eachOf(rows, needle, digits, (_, state) => {
        const now = hexadecimal(rows, state, 2);
        if (now === SYN_RECEIVED && isListening) unread++;
        if (!STATES.has(now)) return;
        const bytes = hexadecimal(rows, state + 12, 8);
        if (bytes > 0 && (isListening || isAccepted(rows, state))) unread += bytes;
      });
  }
  return unread;
}

/** Whether a row is an accepted connection: one in an accept queue has no inode yet. */
function isAccepted(rows: Buffer, state: number): boolean {
  // state sent:received timer:when retransmits uid timeout inode
  const [st = '', , , , , , inode] = rows.toString('latin1', state, rows.indexOf(NEWLINE, state)).split(/ +/);
  return st !== LISTENING && inode !== '0';
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
