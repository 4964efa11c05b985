import type { Socket } from 'node:net';
import type { Prebuilt } from './prebuilt.ts';

/** How undici connects; all requests of one agent go to one instance. */
export type Connector = (options: Target, done: (error: Error | null, socket: Socket | null) => void) => void;

export type BuildConnector = (options: { readonly allowH2?: boolean }) => Connector;

interface Target {
  readonly protocol: string;
  readonly allowH2?: boolean;
  readonly servername?: string | null;
}

/** Takes the connection that stands ready, if it is what is asked for, and then makes new ones as undici itself would. */
export function prebuiltFirst(prebuilt: Prebuilt, build: BuildConnector): Connector {
  // Whether HTTP/2 is offered is settled when a connector is built, not by what it is asked for.
  const [connect, connectHttp1] = [build({}), build({ allowH2: false })];
  return (target, done) => {
    const servername = target.protocol === 'https:' ? target.servername : undefined;
    const socket = servername === prebuilt.destination.servername ? prebuilt.take() : undefined;
    if (socket === undefined) (target.allowH2 === false ? connectHttp1 : connect)(target, done);
    else queueMicrotask(() => done(null, socket));
  };
}
