import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { asError, type ErrorCode, LosslessError } from '../errors.ts';
import type { Guard } from '../guard.ts';
import { markOwn } from '../io/own-server.ts';
import type { Identity } from '../protocol/identity.ts';
import { type Operators, placeOf } from '../protocol/operator.ts';
import type { ControlTls } from '../protocol/tls.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { whyNotHere } from './operator.ts';

/** What the guard calls this. */
const HOOK = 'the control server';

/** How many ports after the wanted one are tried before any free one is taken. */
const NEXT_PORTS = 20;

/**
 * Who may call a route. `open`: every caller that reaches the port. `instance`: the same; the route itself authenticates.
 * `operator`: a holder of the secret, or without one a program on this machine. With mutual TLS the last two need a certificate
 * too.
 */
export type Access = 'open' | 'instance' | 'operator';

/** The proof of an operator: the secret, or without one its place on this machine. */
type Proof = 'token' | 'place';

/** One request, parsed so far. */
export interface Call {
  readonly query: URLSearchParams;
  /** Whether an operator makes it; always true where the access is `operator`. */
  readonly isOperator: boolean;
  /** The caller is proved: its connection is not closed in favour of another one before the answer. */
  keep(): void;
}

/** One path of the control server. */
export interface Route {
  readonly methods: readonly string[];
  readonly access: Access;
  /** The route changes the state, so GET needs the token or `ControlOptions.changesByGet`: a link must not change it. */
  readonly changes?: boolean;
  /** Names in its query; operators may add `service` and `instance`. */
  readonly parameters?: readonly string[];
  readonly handle: (request: IncomingMessage, response: ServerResponse, call: Call) => void | Promise<void>;
}

export interface ControlOptions {
  readonly guard: Guard;
  readonly host: string;
  /** Wanted port. */
  readonly port: number;
  /** Probes or hooks rely on this very port; otherwise the next free one is used when it is taken. */
  readonly isFixed: boolean;
  /** Checks who has the secret; undefined without a secret. */
  readonly operators: Operators | undefined;
  /** Undefined: plain HTTP. */
  readonly tls: ControlTls | undefined;
  /** A TLS handshake failed. Strangers can trigger it. */
  readonly onTlsError?: (error: Error) => void;
  /** The instance with which an operator's `service` and `instance` are compared. */
  readonly identity: () => Identity;
  /** Whether GET changes state as POST does. */
  readonly changesByGet: boolean;
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
  const { guard } = options;
  const emit = EventEmitter.prototype.emit.bind(server);
  server.emit = (...event: Parameters<typeof emit>) =>
    guard.attempt(
      HOOK,
      () => emit(...event),
      () => true,
    );
  markOwn(server);
  const limit = new ConnectionLimit();
  server.on('connection', (socket) => {
    socket.unref();
    limit.admit(socket);
  });
  const requested = (request: IncomingMessage, response: ServerResponse): Promise<void> =>
    dispatch(options, limit, request, response);
  server.on('request', guard.listener(HOOK, requested));
  await bind(server, options);
  server.unref();
  return { port: (server.address() as AddressInfo).port, close: () => server.close().closeAllConnections() };
}

const BOUNDS = {
  maxHeaderSize: 8_192,
  headersTimeout: 3_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
};

function createServer({ onTlsError, tls }: ControlOptions): Server {
  if (tls === undefined) return process.getBuiltinModule('node:http').createServer(BOUNDS);
  let shown = tls.material;
  const server = process.getBuiltinModule('node:https').createServer({
    ...BOUNDS,
    handshakeTimeout: 3_000,
    ...shown,
    requestCert: tls.clientAuth,
    // Probes have no certificate: the routes that need one ask for it.
    rejectUnauthorized: false,
  });
  // Before the handshake of this connection.
  server.prependListener('connection', () => {
    if (shown === tls.material) return;
    shown = tls.material;
    server.setSecureContext(shown);
  });
  server.on('tlsClientError', (error) => onTlsError?.(error));
  return server;
}

async function bind(server: Server, { host, isFixed, port }: ControlOptions): Promise<void> {
  const others = isFixed ? [] : [...Array.from({ length: NEXT_PORTS }, (_, n) => port + n + 1), 0];
  const wanted = port === 0 ? [0] : [port, ...others.filter((n) => n < 65_536)];
  // A machine without IPv6 cannot listen on `::`.
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
  options: ControlOptions,
  limit: ConnectionLimit,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { socket } = request;
  request.on('error', () => {});
  response.on('error', () => {});
  let proof: Proof | undefined;
  try {
    limit.touch(socket);
    proof = proofOf(request, options.operators);
    const { routes } = options;
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined)
      return answer(response, 404, { message: `no such path; expected one of ${Object.keys(routes).join(', ')}` });
    if (!route.methods.includes(request.method ?? '')) {
      response.setHeader('allow', route.methods.join(', '));
      return answer(response, 405, { message: `expected ${route.methods.join(' or ')}` });
    }
    if (route.access !== 'open' && options.tls?.clientAuth === true && !(socket as TLSSocket).authorized)
      return answer(response, 403, {
        message: 'expected a client certificate that ca.crt of LOSSLESS_TLS_DIR has signed',
      });
    const call: Call = {
      query: new URLSearchParams(query),
      isOperator: proof !== undefined,
      keep: () => limit.keep(socket, response),
    };
    const refusal = route.access === 'operator' ? refusalOf(options, route, proof, request, call.query) : undefined;
    if (refusal === undefined) {
      if (route.access === 'operator') call.keep();
      return await route.handle(request, response, call);
    }
    const { status, ...body } = refusal;
    if (status === 405) response.setHeader('allow', 'POST');
    answer(response, status, body);
  } catch (thrown) {
    if (response.headersSent) response.destroy();
    else answer(response, 500, { message: proof === undefined ? 'it failed' : asError(thrown).message });
  }
}

interface Refusal {
  readonly status: number;
  readonly code?: ErrorCode;
  readonly message: string;
}

/** Why an operator's request is refused. */
function refusalOf(
  { changesByGet, identity, operators }: ControlOptions,
  { changes, parameters = [] }: Route,
  proof: Proof | undefined,
  request: IncomingMessage,
  query: URLSearchParams,
): Refusal | undefined {
  if (proof === undefined) {
    const message =
      operators === undefined
        ? `expected a program on this machine, received ${whyNotHere(request)}; set LOSSLESS_SECRET to call from elsewhere`
        : 'expected the output of `lossless token` as bearer token, or the `lossless` command with LOSSLESS_SECRET';
    return { status: 403, code: 'LOSSLESS_OPERATOR_UNPROVED', message };
  }
  if (changes && request.method !== 'POST' && proof !== 'token' && !changesByGet)
    return {
      status: 405,
      message: 'expected POST: use `lossless offline` or `lossless online`, or set LOSSLESS_CONTROL_GET=true for GET',
    };
  const known = ['service', 'instance', ...parameters];
  if ([...query.keys()].some((name) => !known.includes(name)))
    return { status: 400, message: `expected no other parameters than ${known.join(', ')}` };
  const { service, instanceId } = identity();
  const isMeant = (name: string, own: string): boolean => query.getAll(name).every((value) => value === own);
  if (isMeant('service', service) && isMeant('instance', instanceId)) return undefined;
  return {
    status: 421,
    code: 'LOSSLESS_OTHER_INSTANCE',
    message: `the call names another instance; this is ${service} ${instanceId}`,
  };
}

/** With a secret only its holder is an operator, on this machine too: the secret proves more than the place. */
function proofOf(request: IncomingMessage, operators: Operators | undefined): Proof | undefined {
  if (operators === undefined) return whyNotHere(request) === undefined ? 'place' : undefined;
  const { headers, method = '', socket, url = '' } = request;
  const place = placeOf(socket.localAddress, socket.localPort);
  return operators.isProved(headers.authorization, method, url, place) ? 'token' : undefined;
}
