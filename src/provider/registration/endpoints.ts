import { hostPort } from '../../protocol/host-port.ts';
import { PROTOCOLS, type Protocol, type ProtocolEndpoint } from '../../registry/endpoints.ts';
import { type HttpServer, kindOf, speaksHttp1 } from '../traffic/http-server.ts';
import { isLocal } from './advertise.ts';
import { checkGrpc } from './grpc-check.ts';
import { type LocateOptions, type MainServer, schemeOf, targetOf } from './main-server.ts';
import type { Candidate } from './servers.ts';

/** Servers that have answered in gRPC; they are not asked again. */
const ANSWERED = new WeakSet<HttpServer>();

/**
 * The main server with its endpoints: one server of each protocol, the main one first, then the likeliest that is reached at the
 * same host.
 *
 * @param candidates all servers that listen, the likeliest first
 */
export async function withEndpoints(
  main: MainServer,
  candidates: readonly Candidate[],
  options: LocateOptions,
): Promise<MainServer> {
  const { advertised, candidate } = main;
  if (advertised === undefined) return main;
  const others = candidates.filter((each) => each.server !== candidate.server);
  const spoken = await Promise.all([
    endpointsAt(candidate, advertised.port, options),
    ...others.map(async (each) => {
      const port = await outsideOf(each, main, options);
      return port === undefined ? [] : endpointsAt(each, port, options);
    }),
  ]);
  const all = withNamed(spoken.flat(), options);
  const endpoints = all.filter(({ protocol }, n) => all.findIndex((other) => other.protocol === protocol) === n);
  const [first] = endpoints;
  if (first === undefined) return main;
  const { port, secure } = first;
  return { candidate, advertised: { ...advertised, port, scheme: secure ? 'https' : 'http', endpoints } };
}

async function endpointsAt(
  candidate: Candidate,
  port: number,
  options: LocateOptions,
): Promise<readonly ProtocolEndpoint[]> {
  const secure = schemeOf(candidate.server) === 'https';
  const protocols = await protocolsOf(candidate, options);
  return protocols.map((protocol) => ({ protocol, port, secure }));
}

/**
 * The protocol of a server. An HTTP/2 server does not reveal that it serves gRPC, so the plugin calls its health check: any
 * answer in the form of gRPC proves it.
 */
async function protocolsOf(candidate: Candidate, options: LocateOptions): Promise<readonly Protocol[]> {
  const { server } = candidate;
  if (kindOf(server) === 'http1') return ['http'];
  const isGrpc =
    ANSWERED.has(server) || (await checkGrpc(await targetOf(candidate, options), '', options.clock)).isGrpc;
  if (isGrpc) ANSWERED.add(server);
  return [...(speaksHttp1(server) ? [PROTOCOLS[0]] : []), isGrpc ? 'grpc' : 'h2'];
}

/** The port of a further server at the host of the main one; undefined when it is not reached there. */
async function outsideOf(
  { server, bound }: Candidate,
  { advertised, candidate }: MainServer,
  { clock, configured, tryConnection }: LocateOptions,
): Promise<number | undefined> {
  if (typeof bound === 'string' || advertised === undefined) return undefined;
  const { port } = bound;
  const { host } = advertised;
  if (configured === undefined)
    return (await tryConnection({ host, port, scheme: schemeOf(server) }, clock)) === undefined ? port : undefined;
  if (configured.grpcPort !== undefined && kindOf(server) === 'http2') return configured.grpcPort;
  // Behind a mapping of ports the outside of another port is unknown.
  const isMapped = typeof candidate.bound !== 'string' && candidate.bound.port !== advertised.port;
  return isMapped || (isLocal(bound) && !isLocal({ address: host })) ? undefined : port;
}

/** The gRPC port in LOSSLESS_ADVERTISE belongs to the gRPC server, or to the HTTP/2 server when none proves to be gRPC. */
function withNamed(endpoints: readonly ProtocolEndpoint[], { configured }: LocateOptions): readonly ProtocolEndpoint[] {
  const port = configured?.grpcPort;
  if (port === undefined) return endpoints;
  const isGrpc = endpoints.some(({ protocol }) => protocol === 'grpc') ? 'grpc' : 'h2';
  return endpoints.map((each) => (each.protocol === isGrpc ? { ...each, protocol: 'grpc', port } : each));
}

/** The registered form of a server, for people. */
export function describe({ host, endpoints = [] }: NonNullable<MainServer['advertised']>): string {
  return endpoints
    .map(({ protocol, port, secure }) => `${protocol}${secure ? ' over TLS' : ''} at ${hostPort({ host, port })}`)
    .join(', ');
}
