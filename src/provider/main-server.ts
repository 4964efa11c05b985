import type { AddressInfo } from 'node:net';
import type { Address } from '../config/parsers.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';
import type { Instance } from '../registry/registry.ts';
import { advertise, reachedHere } from './advertise.ts';
import type { HttpServer } from './http-server.ts';
import type { ProbeTarget } from './probe.ts';
import type { Traffic } from './traffic.ts';

/** How long a server on the configured port is waited for once another one listens, and how often it is looked for, in milliseconds. */
const PATIENCE_MS = 500;
const LOOK_EVERY_MS = 50;

/** The server that is registered. */
export interface MainServer {
  /** Where consumers reach it. */
  readonly advertised: Pick<Instance, 'host' | 'port' | 'scheme'>;
  /** Where this process reaches it. */
  readonly target: ProbeTarget;
}

export interface MainServerOptions {
  readonly clock: Clock;
  readonly traffic: Traffic;
  /** The first that listens. */
  readonly first: HttpServer;
  readonly configured: Address | undefined;
  readonly registry: URL;
}

/**
 * Finds out which server is registered, and where it is.
 *
 * @throws Error when it was closed meanwhile
 */
export async function mainServer({ configured, registry, ...rest }: MainServerOptions): Promise<MainServer> {
  const server = await chosen({ ...rest, wanted: configured?.port });
  const bound = server.address();
  if (typeof bound !== 'object' || bound === null) throw new Error('the server was closed before it was registered');
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  return {
    advertised: { ...(await advertise(bound, configured, registry)), scheme },
    target: { host: reachedHere(bound), port: bound.port, scheme },
  };
}

/** The one on the wanted port if it listens soon, else the first. */
async function chosen({
  clock,
  traffic,
  first,
  wanted,
}: Pick<MainServerOptions, 'clock' | 'traffic' | 'first'> & {
  readonly wanted: number | undefined;
}): Promise<HttpServer> {
  const isWanted = (server: HttpServer): boolean => (server.address() as AddressInfo | null)?.port === wanted;
  for (let waited = 0; wanted !== undefined && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
    const found = traffic.servers.find(isWanted);
    if (found !== undefined) return found;
    await sleep(clock, LOOK_EVERY_MS);
  }
  return first;
}
