import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { asError, LosslessError } from '../errors.ts';
import { type Operators, placeOf } from '../protocol/operator.ts';
import type { ControlTls } from '../protocol/tls.ts';
import { Traffic } from './traffic.ts';

/** How many ports after the wanted one are tried before any free one is taken. */
const NEXT_PORTS = 20;

/** Most connections at a time: 2,000 providers may say GoAway at once. */
const MOST_CONNECTIONS = 4_096;

/**
 * Who may call a route: `open` anybody who reaches the port, `instance` the same (the route itself authenticates), `operator`
 * this machine or the holder of the secret. With mutual TLS the last two must show a certificate too.
 */
export type Access = 'open' | 'instance' | 'operator';

/** One path of the control server. */
export interface Route {
  readonly methods: readonly string[];
  readonly access: Access;
  readonly handle: (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => void | Promise<void>;
}

export interface ControlOptions {
  readonly host: string;
  /** Wanted port; the next free one is used when it is taken. */
  readonly port: number;
  /** Tells who has the secret; undefined: there is none. */
  readonly operators: Operators | undefined;
  /** Undefined: plain HTTP. */
  readonly tls: ControlTls | undefined;
  /** Somebody could not be understood or was not believed by TLS. Strangers can make it be called. */
  readonly onTlsError?: (error: Error) => void;
  readonly routes: Readonly<Record<string, Route>>;
}

/** A control server that listens. */
export interface Control {
  readonly port: number;
  close(): void;
}

/** Answers with `body` as JSON. */
export function answer(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/**
 * Starts the control server. It never keeps the process alive, is not counted as traffic, and its requests bypass an
 * application's instrumentation of `http.Server`.
 *
 * @throws LosslessError LOSSLESS_CONTROL_PORT when it cannot listen
 */
export async function listen(options: ControlOptions): Promise<Control> {
  const server = createServer(options);
  server.maxConnections = MOST_CONNECTIONS;
  server.emit = EventEmitter.prototype.emit;
  Traffic.own(server);
  server.on('connection', (socket) => socket.unref());
  server.on('request', (request, response) => void dispatch(options, request, response));
  await bind(server, options);
  server.unref();
  return { port: (server.address() as AddressInfo).port, close: () => server.close().closeAllConnections() };
}

const BOUNDS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
};

function createServer({ onTlsError, tls }: ControlOptions): Server {
  if (tls === undefined) return process.getBuiltinModule('node:http').createServer(BOUNDS);
  let shown = tls.material;
  const server = process.getBuiltinModule('node:https').createServer({
    ...BOUNDS,
    handshakeTimeout: 5_000,
    ...shown,
    requestCert: tls.clientAuth,
    // Probes have no certificate: the routes that need one ask for it.
    rejectUnauthorized: false,
  });
  // Before the handshake of the very connection that asks.
  server.prependListener('connection', () => {
    if (shown === tls.material) return;
    shown = tls.material;
    server.setSecureContext(shown);
  });
  server.on('tlsClientError', (error) => onTlsError?.(error));
  return server;
}

async function bind(server: Server, { host, port }: ControlOptions): Promise<void> {
  const wanted =
    port === 0 ? [0] : [...Array.from({ length: NEXT_PORTS }, (_, n) => port + n).filter((n) => n < 65_536), 0];
  // A machine without IPv6 has no `::`.
  const hosts = host === '::' ? [host, '0.0.0.0'] : [host];
  let last: NodeJS.ErrnoException | undefined;
  for (const candidate of hosts)
    for (const next of wanted) {
      last = await tryBind(server, candidate, next);
      if (last === undefined) return;
      if (last.code !== 'EADDRINUSE' && last.code !== 'EACCES') break;
    }
  throw new LosslessError(
    'LOSSLESS_CONTROL_PORT',
    `the control server cannot listen on ${host} port ${port}: ${last?.message}`,
  );
}

function tryBind(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      server.off('listening', listening);
      resolve(error);
    };
    const listening = (): void => {
      server.off('error', failed);
      server.on('error', () => {});
      resolve(undefined);
    };
    server.once('error', failed).once('listening', listening);
    // `exclusive`: in a cluster each worker has a control port of its own.
    server.listen({ host, port, exclusive: true });
  });
}

async function dispatch(
  { operators, routes, tls }: ControlOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.on('error', () => {});
  response.on('error', () => {});
  try {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined)
      return answer(response, 404, { message: `no such path; expected one of ${Object.keys(routes).join(', ')}` });
    if (!route.methods.includes(request.method ?? '')) {
      response.setHeader('allow', route.methods.join(', '));
      return answer(response, 405, { message: `expected ${route.methods.join(' or ')}` });
    }
    if (route.access !== 'open' && tls?.clientAuth === true && !(request.socket as TLSSocket).authorized)
      return answer(response, 403, {
        message: 'allowed with a certificate that is signed by ca.crt of LOSSLESS_TLS_DIR',
      });
    if (route.access === 'operator' && !isOperator(request, operators))
      return answer(response, 403, {
        message: 'allowed from this machine, or with what `lossless token` prints as bearer token',
      });
    await route.handle(request, response, new URLSearchParams(query));
  } catch (thrown) {
    if (!response.headersSent) answer(response, 500, { message: asError(thrown).message });
    else response.destroy();
  }
}

/**
 * This machine, or the holder of the secret. A page in a browser on this machine is neither: it could call loopback in its
 * user's name (cross-site request, DNS rebinding), so a foreign `Host`, any `Origin` and any request that a page has made
 * are refused. Only a browser sends `Sec-Fetch-Site`; it says `none` for what its user typed (W3C Fetch Metadata).
 */
function isOperator(request: IncomingMessage, operators: Operators | undefined): boolean {
  const {
    headers: { authorization },
    method = '',
    socket,
    url = '',
  } = request;
  if (operators?.isProved(authorization, method, url, placeOf(socket.localAddress, socket.localPort))) return true;
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  const local = /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/i.test(host);
  const page = request.headers.origin !== undefined || (request.headers['sec-fetch-site'] ?? 'none') !== 'none';
  return local && !page && isLoopback(request.socket.remoteAddress);
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(::ffff:)?127\./.test(address));
}
