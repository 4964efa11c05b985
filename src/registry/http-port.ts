import { type AppProtocol, spokenAs } from './app-protocol.ts';
import type { ProtocolEndpoint } from './endpoints.ts';

/** A port, and its protocol as far as known. */
export interface SpeakingPort {
  readonly port: number;
  readonly speaks?: AppProtocol | undefined;
}

/** A named port. */
export interface NamedPort extends SpeakingPort {
  readonly name: string;
}

/** Ports that calls may go to, the likeliest first: gRPC only where there is nothing else. */
const LIKELY: readonly ((port: NamedPort) => boolean)[] = [
  ({ name, speaks }) => speaks === 'http' && name === 'http',
  ({ speaks }) => speaks === 'http',
  ({ name, speaks }) => speaks === 'https' && name === 'https',
  ({ speaks }) => speaks === 'https',
  ({ name, speaks }) => speaks === undefined && name === 'web',
  ({ speaks }) => speaks === undefined,
  ({ speaks }) => speaks === 'opaque',
  ({ speaks }) => speaks === 'h2' || speaks === 'h2c',
  ({ speaks }) => speaks === 'grpc' || speaks === 'grpcs',
];

/** The likeliest of several ports: one, several equal ones, or none. */
export function likeliest<P extends NamedPort>(ports: readonly P[]): readonly P[] {
  return LIKELY.map((isOne) => ports.filter(isOne)).find((some) => some.length > 0) ?? [];
}

/**
 * The endpoints of an instance: its main port, and the first port of each further protocol. A main port of unknown protocol
 * counts as HTTP when the protocols of others are known.
 *
 * @returns undefined when no protocol is known
 */
export function endpointsAmong(
  main: SpeakingPort,
  others: readonly SpeakingPort[],
): readonly ProtocolEndpoint[] | undefined {
  const further = others.flatMap(({ port, speaks }) => {
    const spoken = spokenAs(speaks);
    return spoken === undefined ? [] : [{ ...spoken, port }];
  });
  const spoken = spokenAs(main.speaks);
  if (spoken === undefined && further.every(({ port }) => port === main.port)) return undefined;
  const all = [{ ...(spoken ?? { protocol: 'http', secure: false }), port: main.port } as const, ...further];
  return all.filter(({ protocol }, n) => all.findIndex((other) => other.protocol === protocol) === n);
}
