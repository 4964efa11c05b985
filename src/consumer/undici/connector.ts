import type { Socket } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';

/** Connector of undici; all requests of one agent go to one instance. */
export type Connector = (
  options: Target,
  done: (error: Error | null, socket: Socket | null) => void,
) => Socket | undefined;

export type BuildConnector = (options: { readonly allowH2?: boolean }) => Connector;

/** Where a connection leads. */
export interface Target {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  readonly localAddress?: string | null;
  readonly allowH2?: boolean;
  readonly servername?: string | null;
}

/** Defaults of undici: the longest wait for a connection, and the first probe of an idle one, in milliseconds. */
const UNDICI_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;

const HTTP_PORT = 80;

/** A connection without TLS, as the connector of undici makes it: to load that one costs the first `fetch` of a process 5 ms. */
export function connectPlain(clock: Clock, target: Target, done: Parameters<Connector>[1]): Socket {
  const { hostname: host, localAddress } = target;
  const port = Number(target.port) || HTTP_PORT;
  const socket = process.getBuiltinModule('node:net').connect({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    ...(typeof localAddress === 'string' && { localAddress }),
  });
  const timer = clock.after(UNDICI_MS, () => socket.destroy(new NotConnected(`${host}:${port}`, UNDICI_MS)));
  let isDone = false;
  const end = (error: Error | null): void => {
    timer.cancel();
    if (isDone) return;
    isDone = true;
    done(error, error === null ? socket : null);
  };
  return socket.once('connect', () => end(null)).on('error', end);
}

/** Like undici's own error, which differs between copies and is recognized by its code. */
export class NotConnected extends Error {
  readonly code = 'UND_ERR_CONNECT_TIMEOUT';

  constructor(address: string, withinMs: number) {
    super(`Connect Timeout Error (attempted address: ${address}, timeout: ${withinMs}ms)`);
    this.name = 'ConnectTimeoutError';
  }
}
