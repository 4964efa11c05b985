import type { AddressInfo } from 'node:net';
import { type Clock, sleep } from '../lifecycle/clock.ts';
import type { HttpServer } from './http-server.ts';
import type { Traffic } from './traffic.ts';

/** How long a server on the configured port is waited for once another one listens, and how often it is looked for, in milliseconds. */
const PATIENCE_MS = 500;
const LOOK_EVERY_MS = 50;

/** The server that is registered: the one on the wanted port if it listens soon, else the first. */
export async function mainServer(
  traffic: Traffic,
  first: HttpServer,
  wanted: number | undefined,
  clock: Clock,
): Promise<HttpServer> {
  const isWanted = (server: HttpServer): boolean => (server.address() as AddressInfo | null)?.port === wanted;
  for (let waited = 0; wanted !== undefined && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
    const found = traffic.servers.find(isWanted);
    if (found !== undefined) return found;
    await sleep(clock, LOOK_EVERY_MS);
  }
  return first;
}
