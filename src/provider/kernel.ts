import { readFile } from 'node:fs/promises';

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
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => '')),
  );
  let unread = 0;
  for (const table of tables) for (const row of table.split('\n').slice(1)) unread += unreadOf(row, ports);
  return unread;
}

function unreadOf(row: string, ports: ReadonlySet<number>): number {
  const [, local, , state, queues] = row.trim().split(/\s+/);
  if (local === undefined || state === undefined || queues === undefined) return 0;
  if (!ports.has(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16))) return 0;
  if (![ESTABLISHED, CLOSE_WAIT, LISTEN].includes(Number.parseInt(state, 16))) return 0;
  return Number.parseInt(queues.slice(queues.indexOf(':') + 1), 16) || 0;
}
