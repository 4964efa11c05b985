import { readdir, readlink } from '../../io/off-loop.ts';
import { eachRow } from './kernel.ts';

/** State of a socket that listens, as `/proc/net/tcp` writes it (Linux, include/net/tcp_states.h). */
const LISTEN = '0A';

/**
 * Whether another process listens on one of `ports` at the same address (`SO_REUSEPORT`): the kernel gives connections to either.
 * False where `/proc` does not exist.
 */
export async function isShared(ports: ReadonlySet<number>): Promise<boolean> {
  const listening = await listenersOf(ports);
  if (new Set(listening.map(({ local }) => local)).size === listening.length) return false;
  const sockets = await ownSockets();
  const own = new Set(listening.filter(({ inode }) => sockets.has(inode)).map(({ local }) => local));
  return listening.some(({ local, inode }) => own.has(local) && !sockets.has(inode));
}

interface Listener {
  /** Address and port, in the form of the kernel. */
  readonly local: string;
  /** Number of its socket. */
  readonly inode: string;
}

async function listenersOf(ports: ReadonlySet<number>): Promise<readonly Listener[]> {
  const listeners: Listener[] = [];
  await eachRow(ports, '/proc/net', (rows, state) => {
    if (rows.toString('latin1', state, state + 2) !== LISTEN) return;
    const from = rows.lastIndexOf('\n', state) + 1;
    const row = rows.toString('latin1', from, rows.indexOf('\n', state));
    const [, local = '', , , , , , , , inode = ''] = row.trim().split(/\s+/);
    listeners.push({ local, inode });
  });
  return listeners;
}

/** Numbers of the sockets that this process holds. */
async function ownSockets(): Promise<ReadonlySet<string>> {
  const files = await readdir('/proc/self/fd').catch(() => []);
  const links = await Promise.all(files.map((file) => readlink(`/proc/self/fd/${file}`).catch(() => '')));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}
