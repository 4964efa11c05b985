import type { ProtocolEndpoint } from './endpoints.ts';
import type { Instance } from './registry.ts';

/** The protocol of a port. `other`: never called by the plugin; `opaque`: may be any protocol. */
export type AppProtocol = 'http' | 'https' | 'h2' | 'h2c' | 'grpc' | 'grpcs' | 'opaque' | 'other';

/**
 * Names of protocols of Istio (Protocol Selection), Kubernetes (`appProtocol`, without its prefix), Dubbo, kratos and go-micro.
 * `grpc`, `h2c` and `http2` are HTTP/2 from the first byte, which an HTTP/1.1 call cannot use.
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

/** The protocols of endpoints. */
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

/** The protocol of an endpoint; undefined when it is unknown, or never called by the plugin. */
export function spokenAs(protocol: AppProtocol | undefined): Pick<ProtocolEndpoint, 'protocol' | 'secure'> | undefined {
  return protocol && SPOKEN[protocol];
}

/** The protocol of that name, in any case of letters; undefined for an unknown name. */
export function appProtocolOf(name: unknown): AppProtocol | undefined {
  return typeof name === 'string' ? KINDS.get(name.trim().toLowerCase()) : undefined;
}

/** The protocol of a port, from its name (`<protocol>[-<suffix>]`). */
export function protocolInName(name: unknown): AppProtocol | undefined {
  return typeof name === 'string' ? appProtocolOf(name.split('-')[0]) : undefined;
}

/**
 * The protocol of an instance's port, from its labels: `protocol` and `kind` (kratos) name it, `secure` and `scheme` mean TLS
 * (Spring Cloud), and `gRPC_port` is the gRPC port, perhaps the only one.
 */
export function protocolInLabels(labels: Labels, port: unknown): AppProtocol | undefined {
  if (grpcPortIn(labels) === Number(port)) return 'grpc';
  const named = [labels['protocol'], labels['kind'], labels['scheme']].map(appProtocolOf);
  const kind = named.find((found) => found !== undefined);
  return labels['secure'] === 'true' ? overTls(kind) : kind;
}

/** The protocol of a port with TLS. */
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

/** The labels of an instance, with the label for its gRPC port. */
export function labelsWithGrpc({ endpoints = [], metadata }: Pick<Instance, 'endpoints' | 'metadata'>): Labels {
  const grpc = endpoints.find(({ protocol }) => protocol === 'grpc');
  return grpc === undefined ? metadata : { ...metadata, [GRPC_PORT]: String(grpc.port) };
}

/** The label of grpc-spring for the gRPC port. */
export const GRPC_PORT = 'gRPC_port';

type Labels = Readonly<Record<string, string>>;
