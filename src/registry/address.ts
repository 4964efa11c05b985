import { isIPv4, isIPv6 } from 'node:net';
import { hostPort } from '../protocol/host-port.ts';
import type { Instance } from './registry.ts';

/** A host name (RFC 1123), also with underscores, which Docker uses. */
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;

/** The last part of an IPv4 address in any notation of a URL; a host name cannot end like that. */
const NUMBER = /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i;

/** Longest part of a host in a message, in characters. */
const SHOWN = 80;

/**
 * Addresses at which no other process can be reached, or only with the name of an interface; Kubernetes refuses them in its
 * endpoints too. The metadata of a cloud machine are at a link-local address, at Amazon also at another one.
 */
const UNUSABLE: readonly { readonly form: RegExp; readonly what: string }[] = [
  { form: /^0\./, what: 'not an address of a host' },
  { form: /^169\.254\./, what: 'a link-local address' },
  { form: /^(22[4-9]|23\d)\./, what: 'a multicast address' },
  { form: /^(24\d|25[0-5])\./, what: 'a reserved address' },
  { form: /^::$/, what: 'not an address of a host' },
  { form: /^fe[89ab][0-9a-f]:/, what: 'a link-local address' },
  { form: /^ff[0-9a-f]{2}:/, what: 'a multicast address' },
  { form: /^fd00:ec2::254$/, what: 'the address of the metadata of a cloud machine' },
];

/**
 * The normalized host of a listed instance: without blanks around it, brackets, and the zone of an IPv6 address. An IPv6 address
 * gets its short form; one that stands for an IPv4 address becomes that.
 *
 * @throws Error when it is neither an IP address at which other processes can be reached nor a host name
 */
export function hostOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error('`host` is not text');
  const text = value.trim();
  const plain = (/^\[(.*)\]$/s.exec(text)?.[1] ?? text).replace(/(?<=:.*)%[^/\s]*$/s, '');
  const host = isV6(plain) ? shortest(plain) : plain;
  const isAddress = isIPv4(host) || isV6(host);
  const unusable = !isAddress ? undefined : UNUSABLE.find(({ form }) => form.test(host));
  const isName = NAME.test(host) && !NUMBER.test(host);
  if (unusable === undefined && (isName || isAddress)) return host;
  const what = unusable === undefined ? '' : `, which is ${unusable.what}`;
  throw new Error(
    `expected \`host\` to be an IP address or the name of a host, received ${JSON.stringify(text.slice(0, SHOWN))}${what}`,
  );
}

/** `host:port`, normalized: two instances with the same key are reached by the same connections. */
export function addressKey({ host, port }: { readonly host: string; readonly port: number }): string {
  return hostPort({ host: isV6(host) ? shortest(host) : host.toLowerCase(), port });
}

/** Reads `host:port` from the wire; undefined when it is malformed. */
export function hostPortOf(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, host, port] = /^(.+):(\d{1,5})$/s.exec(address.trim()) ?? [];
  return host === undefined ? undefined : { host: host.replace(/^\[(.*)\]$/s, '$1'), port: Number(port) };
}

/** Addresses of the leaving instance in a GoAway: its address, and its other ports at the same host. */
export function addressesOf({
  address,
  ports = [],
}: {
  readonly address: string;
  readonly ports?: readonly number[];
}): readonly { readonly host: string; readonly port: number }[] {
  const main = hostPortOf(address);
  if (main === undefined) return [];
  return [main, ...ports.filter((port) => port !== main.port).map((port) => ({ host: main.host, port }))];
}

/** The newest generation of the entries with one address; the others belong to the same process, or to one that has exited. */
export function newestByAddress(instances: readonly Instance[]): ReadonlyMap<string, Instance> {
  const newest = new Map<string, Instance>();
  for (const instance of instances) {
    const address = addressKey(instance);
    const known = newest.get(address);
    if (known === undefined || known.generation < instance.generation) newest.set(address, instance);
  }
  return newest;
}

/** The first check of `isIPv6` costs a process 3 ms: its expression is compiled. */
function isV6(host: string): boolean {
  return host.includes(':') && isIPv6(host);
}

/** The short form of an IPv6 address (RFC 5952). */
function shortest(address: string): string {
  const text = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped === null) return text;
  const [high = 0, low = 0] = mapped.slice(1).map((part) => Number.parseInt(part, 16));
  const v4 = [high >> 8, high & 255, low >> 8, low & 255].join('.');
  return isIPv4(v4) ? v4 : text;
}
