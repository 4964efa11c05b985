import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Different TCP ports of loopback that were free a moment ago. They lie below the ports that Linux gives to outgoing connections, so
 * a restarting server finds its port free.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = new Map<number, Server>();
  for (let attempt = 0; attempt < 100 * count && held.size < count; attempt++) {
    const port = randomInt(12_000, 32_000);
    const server = createServer();
    const listens = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (listens) held.set(port, server);
  }
  await Promise.all([...held.values()].map((server) => once(server.close(), 'close')));
  if (held.size < count) throw new Error(`expected ${count} free ports between 12000 and 32000, found ${held.size}`);
  return [...held.keys()];
}
