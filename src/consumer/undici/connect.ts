import type { Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { CONNECT_MS } from '../call/connect-time.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import { type BuildConnector, type Connector, connectPlain, NotConnected, type Target } from './connector.ts';

/** What the guard calls this. */
const HOOK = 'a connection that undici makes';

export interface ConnectOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly service: Service;
  readonly endpoint: Endpoint;
  readonly build: BuildConnector;
  /** Whether `build` makes the connector of undici without any setting. */
  readonly isPlain: boolean;
  /** Whether the agent speaks HTTP/2 unless a request forbids it. */
  readonly http2: boolean;
  /** Whether a prepared connection may be taken, which has the settings of Node.js. */
  readonly isReadyTaken: boolean;
}

/**
 * Connects to one instance as undici itself would, but takes a prepared connection if it fits, and gives up after `CONNECT_MS`
 * while another instance can take the request.
 */
export function connectTo(options: ConnectOptions): Connector {
  const { clock, guard, service, endpoint, build, http2, isPlain, isReadyTaken } = options;
  const built = new Map<boolean, Connector>();
  /** A connector decides at its construction whether it offers HTTP/2. */
  const connectorFor = ({ allowH2, protocol }: Target): Connector => {
    if (isPlain && protocol === 'http:') return (target, done) => connectPlain(clock, target, done);
    const offers = http2 && allowH2 !== false;
    const connector = built.get(offers) ?? build(offers ? {} : { allowH2: false });
    built.set(offers, connector);
    return connector;
  };
  return (target, done) => {
    const take = (): Socket | undefined => (isReadyTaken ? readyFor(target, endpoint) : undefined);
    const ready = guard.attempt(HOOK, take, () => undefined);
    if (ready !== undefined) {
      queueMicrotask(() => done(null, ready));
      return ready;
    }
    const connects = guard.listener(HOOK, (connected: Socket | null): void => {
      slow.cancel();
      if (connected !== null) service.reached(endpoint);
    });
    const socket = connectorFor(target)(target, (error, connected) => {
      connects(connected);
      done(error, connected);
    });
    const slow = clock.after(CONNECT_MS, () => {
      if (socket?.connecting && service.hasOther(endpoint))
        socket.destroy(new NotConnected(endpoint.address, CONNECT_MS));
    });
    return socket;
  };
}

function readyFor({ protocol, servername }: Target, { prebuilt }: Endpoint): Socket | undefined {
  const name = protocol === 'https:' ? servername : undefined;
  return name === prebuilt?.destination.servername ? prebuilt?.take() : undefined;
}
