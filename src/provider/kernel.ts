import { readdir, readFile, readlink } from 'node:fs/promises';

/** Socket states of `/proc/net/tcp` (Linux, include/net/tcp_states.h). */
const ESTABLISHED = 0x01;
const CLOSE_WAIT = 0x08;
const LISTEN = 0x0a;

/**
 * Bytes and connections that the kernel holds for `ports` and this process has not read yet: for a listening socket its
 * accept queue, for a connection its receive queue. Closing a listener or a connection while they are not empty loses
 * requests that were already delivered (races R20). 0 where `/proc/net/tcp` does not exist.
 *
 * One read costs 10 ms of CPU on a thread of the pool, so ask once or twice at the end of a drain, not per tick.
 */
export async function unreadInKernel(ports: ReadonlySet<number>): Promise<number> {
  let unread = 0;
  for (const row of await rowsOf(ports))
    if ([ESTABLISHED, CLOSE_WAIT, LISTEN].includes(row.state)) unread += row.unread;
  return unread;
}

/**
 * Whether another process listens on one of `ports` at the same address (`SO_REUSEPORT`): the kernel gives connections to either.
 * False where `/proc` does not exist.
 */
export async function isShared(ports: ReadonlySet<number>): Promise<boolean> {
  const listening = (await rowsOf(ports)).filter(({ state }) => state === LISTEN);
  if (new Set(listening.map(({ local }) => local)).size === listening.length) return false;
  const sockets = await ownSockets();
  const own = new Set(listening.filter(({ inode }) => sockets.has(inode)).map(({ local }) => local));
  return listening.some(({ local, inode }) => own.has(local) && !sockets.has(inode));
}

interface Row {
  /** Address and port, as the kernel writes them. */
  readonly local: string;
  readonly state: number;
  readonly unread: number;
  readonly inode: string;
}

async function rowsOf(ports: ReadonlySet<number>): Promise<readonly Row[]> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => '')),
  );
  return tables.flatMap((table) =>
    table
      .split('\n')
      .slice(1)
      .flatMap((row) => rowOf(row, ports)),
  );
}

function rowOf(row: string, ports: ReadonlySet<number>): readonly Row[] {
  const [, local, , state, queues, , , , , inode = ''] = row.trim().split(/\s+/);
  if (local === undefined || state === undefined || queues === undefined) return [];
  if (!ports.has(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16))) return [];
  const unread = Number.parseInt(queues.slice(queues.indexOf(':') + 1), 16) || 0;
  return [{ local, state: Number.parseInt(state, 16), unread, inode }];
}

/** Numbers of the sockets that this process holds. */
async function ownSockets(): Promise<ReadonlySet<string>> {
  const files = await readdir('/proc/self/fd').catch(() => []);
  const links = await Promise.all(files.map((file) => readlink(`/proc/self/fd/${file}`).catch(() => '')));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}
