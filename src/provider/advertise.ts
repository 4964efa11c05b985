import type { AddressInfo } from 'node:net';
import { isIPv6 } from 'node:net';
import type { Address } from '../config/parsers.ts';

/** Addresses that mean "every interface". */
const WILDCARDS = new Set(['0.0.0.0', '::', '']);

/** Host and port under which an instance is registered. */
export interface Advertised {
  readonly host: string;
  readonly port: number;
}

/**
 * Where consumers reach a server: what is configured; else the address the server is bound to; for a wildcard the local
 * address from which the registry is reached, because that is the network the consumers share with it. A registry on this
 * machine (no host in its URL) means loopback.
 */
export async function advertise(
  bound: AddressInfo,
  configured: Address | undefined,
  registry: URL,
): Promise<Advertised> {
  const port = configured?.port ?? bound.port;
  if (configured !== undefined) return { host: configured.host, port };
  if (!WILDCARDS.has(bound.address)) return { host: bound.address, port };
  return { host: (registry.hostname && (await localAddressTowards(registry))) || '127.0.0.1', port };
}

/** The address at which this process reaches a server of its own. */
export function reachedHere({ address }: AddressInfo): string {
  return WILDCARDS.has(address) ? '127.0.0.1' : address;
}

/** Asks the kernel's routing table by connecting a datagram socket; nothing is sent. */
async function localAddressTowards(registry: URL): Promise<string | undefined> {
  const { createSocket } = await import('node:dgram');
  const host = registry.hostname.replace(/^\[|\]$/g, '');
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      // A name that cannot be resolved is told to the callback, which the types do not know.
      socket.connect(Number(registry.port) || 9, host, ((error?: Error) =>
        error ? reject(error) : resolve(socket.address().address)) as () => void);
    });
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
