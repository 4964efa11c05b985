import type { AppProtocol } from './app-protocol.ts';

/** A port that can be called, and what it speaks as far as that is known. */
export interface HttpPort {
  readonly name: string;
  readonly port: number;
  readonly speaks: AppProtocol | undefined;
}

/** Ports that HTTP calls may go to, the likeliest first. */
const LIKELY: readonly ((port: HttpPort) => boolean)[] = [
  ({ name, speaks }) => speaks === 'http' && name === 'http',
  ({ speaks }) => speaks === 'http',
  ({ name, speaks }) => speaks === 'https' && name === 'https',
  ({ speaks }) => speaks === 'https',
  ({ name, speaks }) => speaks === undefined && name === 'web',
  ({ speaks }) => speaks === undefined,
  ({ speaks }) => speaks === 'opaque',
];

/** Of several ports those that HTTP calls are likeliest meant for: one, several alike, or none. */
export function likeliest(ports: readonly HttpPort[]): readonly HttpPort[] {
  return LIKELY.map((isOne) => ports.filter(isOne)).find((some) => some.length > 0) ?? [];
}
