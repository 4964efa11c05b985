/** Protocols of ports: `http` HTTP/1.1, `h2` HTTP/2, `grpc` gRPC over HTTP/2. The likeliest for a main port first. */
export const PROTOCOLS = ['http', 'h2', 'grpc'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** A port of an instance, at the host of the instance. */
export interface ProtocolEndpoint {
  readonly protocol: Protocol;
  readonly port: number;
  /** It speaks TLS. */
  readonly secure: boolean;
}

/** The ports of an instance. */
interface Ports {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  readonly endpoints?: readonly ProtocolEndpoint[];
}

/**
 * Endpoints that can take a call of each protocol, the best first. An HTTP client may speak HTTP/2, and an HTTP/2 server may also
 * serve gRPC. A gRPC server takes only gRPC calls.
 */
const TAKES: Readonly<Record<Protocol, readonly Protocol[]>> = {
  http: ['http', 'h2'],
  h2: ['h2', 'grpc'],
  grpc: ['grpc', 'h2'],
};

/**
 * The destination of a call of `protocol` to an instance.
 *
 * @returns undefined when the protocols of all its ports are known and none of them takes such a call
 */
export function endpointOf({ endpoints, port, scheme }: Ports, protocol: Protocol): ProtocolEndpoint | undefined {
  if (endpoints === undefined) return { protocol, port, secure: scheme === 'https' };
  for (const taker of TAKES[protocol]) {
    const found = endpoints.find((endpoint) => endpoint.protocol === taker);
    if (found !== undefined) return found;
  }
  return undefined;
}
