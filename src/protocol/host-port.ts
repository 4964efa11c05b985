/** `host:port` as in a URL: an IPv6 address stands in brackets (RFC 3986, 3.2.2). */
export function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
