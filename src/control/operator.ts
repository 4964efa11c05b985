import type { IncomingMessage } from 'node:http';
import { isLoopback, plainAddress } from '../protocol/host-port.ts';
import { browserHeader, forwardingHeader, hostOf } from '../protocol/request-headers.ts';

/** Address from which Istio's sidecar forwards every caller. */
const SIDECAR = '127.0.0.6';

/**
 * Why a request does not prove that a program on this machine has made it; undefined when it does. Loopback alone proves little,
 * because sidecars, reverse proxies and port forwarders of containers connect from there on behalf of others. So both ends of the
 * connection must be loopback, `Host` must name loopback, and no header may show a proxy or a page in a browser, which could call
 * loopback in its user's name (cross-site request, DNS rebinding).
 */
export function whyNotHere({ headers, httpVersion, socket }: IncomingMessage): string | undefined {
  if (!isLoopback(socket.remoteAddress) || !isLoopback(socket.localAddress)) return 'another address';
  if (plainAddress(socket.remoteAddress ?? '') === SIDECAR) return `${SIDECAR}, which is a sidecar`;
  if (httpVersion !== '1.1') return `HTTP/${httpVersion}, which proxies speak`;
  const header = forwardingHeader(headers) ?? browserHeader(headers);
  if (header !== undefined) return `the header ${header.slice(0, 40)}`;
  const host = hostOf(headers);
  return host === 'localhost' || isLoopback(host) ? undefined : 'another Host';
}
