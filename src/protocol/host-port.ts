/** `host:port` as in a URL: an IPv6 address stands in brackets (RFC 3986, 3.2.2). */
export function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach an address. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^127(\.\d{1,3}){3}$/.test(plainAddress(address)));
}

/**
 * One spelling of an address: IPv4 in IPv6 becomes IPv4 (RFC 4291, 2.5.5.2), and the zone, which has a meaning only on this
 * machine, is removed.
 */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');
}
