import type { ProtocolEndpoint } from './endpoints.ts';
import type { Instance } from './registry.ts';

/** What a port speaks: `other` is nothing that is called here, `opaque` may be anything. */
export type AppProtocol = 'http' | 'https' | 'h2' | 'h2c' | 'grpc' | 'grpcs' | 'opaque' | 'other';

/**
 * Names of protocols: those of Istio (Protocol Selection), of Kubernetes (`appProtocol`, without its prefix), and what Dubbo,
 * kratos and go-micro call theirs. `grpc`, `h2c` and `http2` are HTTP/2 that begins at once, which no HTTP/1.1 call can.
 */
const PROTOCOLS: Readonly<Record<AppProtocol, readonly string[]>> = {
  http: ['http', 'http1', 'rest', 'ws'],
  https: ['https', 'wss'],
  h2: ['h2'],
  h2c: ['h2c', 'http2'],
  grpc: ['grpc'],
  grpcs: ['grpcs'],
  opaque: ['tcp'],
  other: [
    ...['http3', 'quic', 'hbone', 'tls', 'udp', 'sctp', 'dns'],
    ...['dubbo', 'tri', 'thrift', 'mucp', 'hessian', 'rmi'],
    ...['mongo', 'mysql', 'redis', 'postgres', 'postgresql', 'kafka', 'amqp', 'amqps', 'mqtt', 'nats', 'cassandra'],
  ],
};

const KINDS: ReadonlyMap<string, AppProtocol> = new Map(
  Object.entries(PROTOCOLS).flatMap(([kind, names]) => names.map((name) => [name, kind as AppProtocol])),
);

/** As endpoints say it. */
const SPOKEN: Readonly<Partial<Record<AppProtocol, Pick<ProtocolEndpoint, 'protocol' | 'secure'>>>> = {
  http: { protocol: 'http', secure: false },
  https: { protocol: 'http', secure: true },
  h2: { protocol: 'h2', secure: true },
  h2c: { protocol: 'h2', secure: false },
  grpc: { protocol: 'grpc', secure: false },
  grpcs: { protocol: 'grpc', secure: true },
};

/** The same with TLS. */
const OVER_TLS: Readonly<Partial<Record<AppProtocol, AppProtocol>>> = {
  http: 'https',
  h2c: 'h2',
  grpc: 'grpcs',
  opaque: 'https',
};

/** What an endpoint says of a port; undefined when that is not known, or nothing that is called here. */
export function spokenAs(protocol: AppProtocol | undefined): Pick<ProtocolEndpoint, 'protocol' | 'secure'> | undefined {
  return protocol && SPOKEN[protocol];
}

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
export function protocolInLabels(labels: Labels, port: unknown): AppProtocol | undefined {
  if (grpcPortIn(labels) === Number(port)) return 'grpc';
  const named = [labels['protocol'], labels['kind'], labels['scheme']].map(appProtocolOf);
  const kind = named.find((found) => found !== undefined);
  return labels['secure'] === 'true' ? overTls(kind) : kind;
}

/** What a port speaks that is known to be TLS. */
export function overTls(protocol: AppProtocol | undefined): AppProtocol {
  return protocol === undefined ? 'https' : (OVER_TLS[protocol] ?? protocol);
}

/** The ports that labels name beside the main one: that of gRPC (grpc-spring). */
export function portsInLabels(labels: Labels): readonly { readonly port: number; readonly speaks: 'grpc' }[] {
  const port = grpcPortIn(labels);
  return port === undefined ? [] : [{ port, speaks: 'grpc' }];
}

function grpcPortIn(labels: Labels): number | undefined {
  const port = Number((labels[GRPC_PORT] ?? labels['gRPC.port'])?.trim() || Number.NaN);
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

/** The labels of an instance with the one by which others find its port of gRPC. */
export function labelsWithGrpc({ endpoints = [], metadata }: Pick<Instance, 'endpoints' | 'metadata'>): Labels {
  const grpc = endpoints.find(({ protocol }) => protocol === 'grpc');
  return grpc === undefined ? metadata : { ...metadata, [GRPC_PORT]: String(grpc.port) };
}

/** The label in which grpc-spring has the port of gRPC. */
export const GRPC_PORT = 'gRPC_port';

type Labels = Readonly<Record<string, string>>;
