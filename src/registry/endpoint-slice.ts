import { decodeInstance } from './entry.ts';
import type { Instance } from './registry.ts';

/** The part of an EndpointSlice (discovery.k8s.io/v1) that is read. */
export interface Slice {
  readonly name: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

interface SlicePort {
  readonly name?: string | null;
  readonly port?: number | null;
  readonly appProtocol?: string | null;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null };
  readonly targetRef?: { readonly name?: string };
  readonly nodeName?: string;
  readonly zone?: string;
}

/** Names of ports that speak HTTP, the likeliest first. */
const HTTP_PORTS = ['http', 'https', 'web', 'h2c'];

/** @throws Error when it is not a slice */
export function sliceOf(value: unknown): Slice {
  const { metadata, ports, endpoints } = (value ?? {}) as {
    readonly metadata?: { readonly name?: unknown };
    readonly ports?: unknown;
    readonly endpoints?: unknown;
  };
  if (typeof metadata?.name !== 'string') throw new Error('a slice has no name');
  return { name: metadata.name, ports: listOf(ports), endpoints: listOf(endpoints) };
}

/**
 * The instances that take new requests: ready, and not terminating (a Service with `publishNotReadyAddresses` lists both).
 * Each address counts once, in whichever slices it is; a pod with an IPv4 and an IPv6 address is one instance.
 *
 * @param portName name or number of the port; undefined: the only one, else the one that is named like HTTP, else the first
 * @throws Error naming what is wrong with an endpoint
 */
export function instancesOf(
  slices: Iterable<Slice>,
  service: string,
  portName: string | undefined,
): readonly Instance[] {
  const found = new Map<string, Instance>();
  for (const { ports, endpoints } of slices) {
    const port = portOf(ports, portName);
    if (port?.port == null) continue;
    const scheme = [port.name, port.appProtocol].includes('https') ? 'https' : 'http';
    for (const { addresses, conditions, targetRef, nodeName, zone } of endpoints) {
      const [host] = addresses ?? [];
      if (host === undefined || conditions?.ready === false || conditions?.terminating === true) continue;
      const instance = decodeInstance({
        service,
        instanceId: `${targetRef?.name ?? host}:${port.port}`,
        generation: 0,
        host,
        port: port.port,
        scheme,
        weight: 100,
        registeredAt: 0,
        metadata: { ...(zone && { zone }), ...(nodeName && { node: nodeName }) },
      });
      const known = found.get(instance.instanceId);
      if (known === undefined || known.host.includes(':')) found.set(instance.instanceId, instance);
    }
  }
  return [...found.values()].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
}

function portOf(ports: readonly SlicePort[], wanted: string | undefined): SlicePort | undefined {
  if (wanted !== undefined) return ports.find(({ name, port }) => name === wanted || String(port) === wanted);
  const likely = HTTP_PORTS.map((name) => ports.find((port) => port.name === name || port.appProtocol === name));
  return likely.find((port) => port !== undefined) ?? ports[0];
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? value : [];
}
