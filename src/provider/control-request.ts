import type { ClientRequest, RequestOptions } from 'node:http';
import type { NetConnectOpts } from 'node:net';
import { suppressTracing } from '../trace/suppress.ts';

/** Where a control server is, and what it is asked. */
export interface ControlRequest {
  readonly address: string;
  readonly port: number;
  /** The address of ours to call from; undefined: any. */
  readonly localAddress: string | undefined;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
}

/**
 * A request to a consumer's control server, not sent yet. It is made with `http.ClientRequest` itself, under suppressed tracing:
 * an application's instrumentation would otherwise add a second `traceparent`, and two are rejected by every parser. It has no
 * agent, whose hook would take a consumer's host for a service of that name, and its address for one to pick.
 */
export function controlRequest({ address, port, localAddress, ...rest }: ControlRequest): ClientRequest {
  const { ClientRequest } = process.getBuiltinModule('node:http') as unknown as {
    ClientRequest: new (options: RequestOptions) => ClientRequest;
  };
  const { connect } = process.getBuiltinModule('node:net');
  const to: NetConnectOpts = { host: address, port, noDelay: true, ...(localAddress && { localAddress }) };
  return suppressTracing(
    () => new ClientRequest({ ...rest, host: address, port, createConnection: () => connect(to) }),
  );
}
