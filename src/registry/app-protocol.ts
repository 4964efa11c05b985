/** What a port speaks: `other` is nothing that a plain HTTP/1.1 call can be sent to, `opaque` may be anything. */
export type AppProtocol = 'http' | 'https' | 'opaque' | 'other';

/**
 * Names of protocols: those of Istio (Protocol Selection), of Kubernetes (`appProtocol`, without its prefix), and what Dubbo,
 * kratos and go-micro call theirs. `grpc`, `h2c` and `http2` are HTTP/2 that begins at once, which no HTTP/1.1 call can.
 */
const PROTOCOLS: Readonly<Record<AppProtocol, readonly string[]>> = {
  http: ['http', 'http1', 'rest', 'ws'],
  https: ['https', 'wss'],
  opaque: ['tcp'],
  other: [
    ...['grpc', 'grpcs', 'h2', 'h2c', 'http2', 'http3', 'quic', 'hbone', 'tls', 'udp', 'sctp', 'dns'],
    ...['dubbo', 'tri', 'thrift', 'mucp', 'hessian', 'rmi'],
    ...['mongo', 'mysql', 'redis', 'postgres', 'postgresql', 'kafka', 'amqp', 'amqps', 'mqtt', 'nats', 'cassandra'],
  ],
};

const KINDS: ReadonlyMap<string, AppProtocol> = new Map(
  Object.entries(PROTOCOLS).flatMap(([kind, names]) => names.map((name) => [name, kind as AppProtocol])),
);

/** The protocol of that name, in any case; undefined when nobody knows it. */
export function appProtocolOf(name: unknown): AppProtocol | undefined {
  return typeof name === 'string' ? KINDS.get(name.trim().toLowerCase()) : undefined;
}

/** What a port of that name speaks: the name begins with its protocol (`<protocol>[-<suffix>]`). */
export function protocolInName(name: unknown): AppProtocol | undefined {
  return typeof name === 'string' ? appProtocolOf(name.split('-')[0]) : undefined;
}

/**
 * What the labels of an instance say of its port: `protocol` and `kind` (kratos) name what it speaks, `secure` and `scheme` that
 * it is TLS (Spring Cloud), and `gRPC_port` which port is that of gRPC, for a service that has no other one too.
 */
export function protocolInLabels(labels: Readonly<Record<string, string>>, port: unknown): AppProtocol | undefined {
  const grpcPort = labels['gRPC_port'] ?? labels['gRPC.port'];
  if (grpcPort !== undefined && grpcPort.trim() === String(port).trim()) return 'other';
  const named = [labels['protocol'], labels['kind'], labels['scheme']].map(appProtocolOf);
  const kind = named.find((found) => found !== undefined);
  return kind !== 'other' && labels['secure'] === 'true' ? 'https' : kind;
}
