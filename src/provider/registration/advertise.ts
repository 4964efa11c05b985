import type { AddressInfo } from 'node:net';
import { isIPv6 } from 'node:net';
import type { Address } from '../../config/parsers.ts';
import { ownInterfaces } from '../../io/own-interfaces.ts';

/** Addresses that mean "every interface". */
const WILDCARDS = new Set(['0.0.0.0', '::', '']);

/** Host and port under which an instance is registered. */
export interface Advertised {
  readonly host: string;
  readonly port: number;
}

/**
 * Addresses at which consumers may reach a server, the likeliest first: the configured one; else the address to which the server
 * is bound; for a wildcard the local address from which this machine reaches the registry, because consumers share that network,
 * and then the other addresses of that interface, because a wildcard may mean only IPv6. A registry on this machine (no host in
 * its URL) means loopback.
 */
export async function advertisable(
  bound: AddressInfo,
  configured: Address | undefined,
  registry: URL,
): Promise<readonly Advertised[]> {
  const port = configured?.port ?? bound.port;
  if (configured !== undefined) return [{ host: configured.host, port }];
  if (!WILDCARDS.has(bound.address)) return [{ host: bound.address, port }];
  const likeliest = (registry.hostname && (await localAddressTowards(registry))) || '127.0.0.1';
  return [...new Set([likeliest, ...besides(likeliest)])].map((host) => ({ host, port }));
}

/** The addresses at which this process may reach a server of its own, the likeliest first. */
export function reachableHere({ address }: AddressInfo): readonly string[] {
  return WILDCARDS.has(address) ? ['127.0.0.1', '::1'] : [address];
}

/** Whether only this machine can reach a server. */
export function isLocal({ address }: Pick<AddressInfo, 'address'>): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Addresses of the interface that has `address`, without link-local ones, which other machines cannot use. */
function besides(address: string): readonly string[] {
  const interfaces = Object.values(ownInterfaces()).map((all = []) => all);
  const own = interfaces.find((all) => all.some((each) => each.address === address)) ?? [];
  return own.filter(({ scopeid }) => !scopeid).map((each) => each.address);
}

/** Asks the kernel's routing table by connecting a datagram socket; nothing is sent. */
async function localAddressTowards(registry: URL): Promise<string | undefined> {
  const { createSocket } = await import('node:dgram');
  const host = registry.hostname.replace(/^\[|\]$/g, '');
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      // The callback also gets the error of a name that cannot be resolved, which the types omit.
      socket.connect(Number(registry.port) || 9, host, ((error?: Error) =>
        error ? reject(error) : resolve(socket.address().address)) as () => void);
    });
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
