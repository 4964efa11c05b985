import type { ClientRequest, RequestOptions } from 'node:http';
import type { NetConnectOpts, Socket } from 'node:net';
import { suppressTracing } from '../../io/suppress.ts';
import type { ControlTls } from '../../protocol/tls.ts';

/** Where a control server is, and what it is asked. */
export interface ControlRequest {
  readonly address: string;
  readonly port: number;
  /** The address of ours to call from; undefined: any. */
  readonly localAddress: string | undefined;
  /** The control server speaks TLS: how this process does; undefined: plain HTTP. */
  readonly tls: ControlTls | undefined;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
}

/**
 * A request to a consumer's control server, not sent yet. It is made with `http.ClientRequest` itself, under suppressed tracing:
 * an application's instrumentation would otherwise add a second `traceparent`, and two are rejected by every parser. It has no
 * agent, whose hook would take a consumer's host for a service of that name, and its address for one to pick.
 */
export function controlRequest({ address, port, localAddress, tls, ...rest }: ControlRequest): ClientRequest {
  const { ClientRequest } = process.getBuiltinModule('node:http') as unknown as {
    ClientRequest: new (options: RequestOptions) => ClientRequest;
  };
  const to = { host: address, port, noDelay: true, ...(localAddress && { localAddress }) };
  return suppressTracing(
    () => new ClientRequest({ ...rest, host: address, port, createConnection: () => connect(to, tls) }),
  );
}

function connect(to: NetConnectOpts & { readonly host: string }, tls: ControlTls | undefined): Socket {
  return tls === undefined
    ? process.getBuiltinModule('node:net').connect(to)
    : process.getBuiltinModule('node:tls').connect({ ...to, ...tls.connection(to.host) });
}
