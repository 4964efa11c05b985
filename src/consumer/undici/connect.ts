import type { Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { CONNECT_MS } from '../call/connect-time.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';

/** What the guard calls this. */
const HOOK = 'a connection that undici makes';

/** Connector of undici; all requests of one agent go to one instance. */
export type Connector = (
  options: Target,
  done: (error: Error | null, socket: Socket | null) => void,
) => Socket | undefined;

export type BuildConnector = (options: { readonly allowH2?: boolean }) => Connector;

interface Target {
  readonly protocol: string;
  readonly allowH2?: boolean;
  readonly servername?: string | null;
}

export interface ConnectOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly service: Service;
  readonly endpoint: Endpoint;
  readonly build: BuildConnector;
  /** Whether the agent speaks HTTP/2 unless a request forbids it. */
  readonly http2: boolean;
  /** Whether a prepared connection may be taken, which has the settings of Node.js. */
  readonly isReadyTaken: boolean;
}

/**
 * Connects to one instance as undici itself would, but takes a prepared connection if it fits, and gives up after `CONNECT_MS`
 * while another instance can take the request.
 */
export function connectTo({ clock, guard, service, endpoint, build, http2, isReadyTaken }: ConnectOptions): Connector {
  // A connector decides at its construction whether it offers HTTP/2.
  const [connect, connectHttp1] = [build({}), build({ allowH2: false })];
  return (target, done) => {
    const take = (): Socket | undefined => (isReadyTaken ? readyFor(target, endpoint) : undefined);
    const ready = guard.attempt(HOOK, take, () => undefined);
    if (ready !== undefined) {
      queueMicrotask(() => done(null, ready));
      return ready;
    }
    const connector = http2 && target.allowH2 !== false ? connect : connectHttp1;
    const connects = guard.listener(HOOK, (connected: Socket | null): void => {
      slow.cancel();
      if (connected !== null) service.reached(endpoint);
    });
    const socket = connector(target, (error, connected) => {
      connects(connected);
      done(error, connected);
    });
    const slow = clock.after(CONNECT_MS, () => {
      if (socket?.connecting && service.hasOther(endpoint)) socket.destroy(new NotConnected(endpoint.address));
    });
    return socket;
  };
}

function readyFor({ protocol, servername }: Target, { prebuilt }: Endpoint): Socket | undefined {
  const name = protocol === 'https:' ? servername : undefined;
  return name === prebuilt?.destination.servername ? prebuilt?.take() : undefined;
}

/** Like undici's own error, which differs between copies and is recognized by its code. */
class NotConnected extends Error {
  readonly code = 'UND_ERR_CONNECT_TIMEOUT';

  constructor(address: string) {
    super(`Connect Timeout Error (attempted address: ${address}, timeout: ${CONNECT_MS}ms)`);
    this.name = 'ConnectTimeoutError';
  }
}
