/** What is spoken at a port: `http` HTTP/1.1, `h2` HTTP/2, `grpc` gRPC over HTTP/2. The first is the likeliest main port. */
export const PROTOCOLS = ['http', 'h2', 'grpc'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** A port of an instance, at the host of the instance. */
export interface ProtocolEndpoint {
  readonly protocol: Protocol;
  readonly port: number;
  /** It speaks TLS. */
  readonly secure: boolean;
}

/** What an instance says of its ports. */
interface Ports {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  readonly endpoints?: readonly ProtocolEndpoint[];
}

/**
 * What can take a call of each protocol, the best first. A client of HTTP may speak HTTP/2, and a server of HTTP/2 may serve
 * gRPC beside other things. A gRPC server understands no call but its own.
 */
const TAKES: Readonly<Record<Protocol, readonly Protocol[]>> = {
  http: ['http', 'h2'],
  h2: ['h2', 'grpc'],
  grpc: ['grpc', 'h2'],
};

/**
 * Where a call of `protocol` to an instance goes.
 *
 * @returns undefined when the instance says what its ports speak and none of them can take such a call
 */
export function endpointOf({ endpoints, port, scheme }: Ports, protocol: Protocol): ProtocolEndpoint | undefined {
  if (endpoints === undefined) return { protocol, port, secure: scheme === 'https' };
  return TAKES[protocol]
    .map((taker) => endpoints.find((endpoint) => endpoint.protocol === taker))
    .find((found) => found !== undefined);
}
