import type { IncomingMessage } from 'node:http';
import { isLoopback, plainAddress } from '../protocol/host-port.ts';
import { browserHeader, forwardingHeader, hostOf } from '../protocol/request-headers.ts';

/** Where Istio's sidecar connects from, whoever has called it. */
const SIDECAR = '127.0.0.6';

/**
 * Why a request does not prove that a program on this machine has made it; undefined when it does. That a packet comes from
 * loopback says little: a sidecar, a reverse proxy and the port forwarder of a container connect from there for anybody. So
 * both ends of the connection have to be loopback, it names a loopback host, no header tells of somebody in between, and
 * neither of a page in a browser, which could call loopback in its user's name (cross-site request, DNS rebinding).
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
