import type { Advertise } from '../../config/parsers.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Log } from '../../log.ts';
import type { Instance } from '../../registry/registry.ts';
import type { HttpServer } from '../traffic/http-server.ts';
import { advertisable, reachableHere } from './advertise.ts';
import type { ProbeTarget, Scheme } from './probe-target.ts';
import type { Candidate } from './servers.ts';

/** The server that consumers call. */
export interface MainServer {
  readonly candidate: Candidate;
  /** Address for consumers; undefined for a Unix socket, which they cannot reach. */
  readonly advertised: Pick<Instance, 'host' | 'port' | 'scheme' | 'endpoints'> | undefined;
}

/** A server whose address accepts no connection, with the reason. */
export interface Unreachable {
  readonly unreachable: string;
}

/** Tries one connection; undefined when it succeeds, else the reason. */
export type TryConnection = (
  to: { readonly host: string; readonly port: number; readonly scheme: Scheme },
  clock: Clock,
) => Promise<string | undefined>;

export interface LocateOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly tryConnection: TryConnection;
  /** LOSSLESS_ADVERTISE. */
  readonly configured: Advertise | undefined;
  readonly registry: URL;
}

/** The address at which this process reaches a server: the first one that accepts a connection, else the likeliest. */
export async function targetOf(
  { server, bound }: Candidate,
  { clock, tryConnection }: LocateOptions,
): Promise<ProbeTarget> {
  const scheme = schemeOf(server);
  if (typeof bound === 'string') return { at: { socketPath: bound }, scheme };
  const { port } = bound;
  const hosts = reachableHere(bound).map((host) => ({ host, port, scheme }));
  const { host } = (await firstReached(hosts, tryConnection, clock)) ?? (hosts[0] as { host: string });
  return { at: { host, port }, scheme };
}

/**
 * Finds the address under which to register a server. A derived address must accept a connection first. A configured one may be
 * reachable only from outside, so a failure is only logged.
 */
export async function locate(candidate: Candidate, options: LocateOptions): Promise<MainServer | Unreachable> {
  const { clock, configured, tryConnection, registry } = options;
  const { bound } = candidate;
  if (typeof bound === 'string') return { candidate, advertised: undefined };
  const scheme = schemeOf(candidate.server);
  const addresses = (await advertisable(bound, configured, registry)).map((address) => ({ ...address, scheme }));
  const [likeliest] = addresses;
  if (likeliest === undefined) return { unreachable: 'no address' };
  if (configured !== undefined) {
    void tryConnection(likeliest, clock).then((failure) => failure && warn(likeliest, failure, options));
    return { candidate, advertised: likeliest };
  }
  const advertised = await firstReached(addresses, tryConnection, clock);
  if (advertised !== undefined) return { candidate, advertised };
  return { unreachable: `${addresses.map(({ host }) => host).join(' and ')}, port ${likeliest.port}` };
}

function warn({ host, port }: { host: string; port: number }, failure: string, { log }: LocateOptions): void {
  log(
    'warn',
    `this process cannot connect to ${host} port ${port}, which LOSSLESS_ADVERTISE names (${failure}); it is registered all the same, because it may be reachable only from outside`,
    { code: 'LOSSLESS_ADDRESS_UNREACHABLE' },
  );
}

async function firstReached<A extends { readonly host: string; readonly port: number; readonly scheme: Scheme }>(
  addresses: readonly A[],
  tryConnection: TryConnection,
  clock: Clock,
): Promise<A | undefined> {
  for (const address of addresses) if ((await tryConnection(address, clock)) === undefined) return address;
  return undefined;
}

/** Whether a server speaks TLS. */
export function schemeOf(server: HttpServer): Scheme {
  return 'setSecureContext' in server ? 'https' : 'http';
}
