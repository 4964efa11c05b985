import { isIPv6 } from 'node:net';
import { type AppProtocol, appProtocolOf, protocolInName } from '../app-protocol.ts';
import { foreignInstance } from '../entry.ts';
import { likeliest, type NamedPort } from '../http-port.ts';
import type { Instance } from '../registry.ts';

/** The part of an EndpointSlice (discovery.k8s.io/v1) that is read. */
export interface Slice {
  readonly name: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

interface SlicePort {
  readonly name?: string | null;
  readonly port?: number | null;
  /** Absent: TCP. */
  readonly protocol?: string | null;
  readonly appProtocol?: string | null;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[] | null;
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null } | null;
  readonly targetRef?: { readonly name?: string; readonly uid?: string } | null;
  readonly nodeName?: string | null;
  readonly zone?: string | null;
}

/** Warnings about a Service, each logged once. */
export interface SliceTold {
  /** Several ports are equally likely. */
  readonly onChoice: (message: string) => void;
  /** An endpoint is skipped. */
  readonly onCorrupt: (endpoint: string, message: string) => void;
}

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
 * @param wanted name or number of the port; undefined: the only one that HTTP calls can go to, else the likeliest
 */
export function instancesOf(
  slices: Iterable<Slice>,
  service: string,
  wanted: string | undefined,
  told: SliceTold,
): readonly Instance[] {
  const found = new Map<string, Instance>();
  for (const { ports, endpoints } of slices) {
    const named = portsIn(ports);
    const port = mainOf(named, service, wanted, told);
    if (port === undefined) continue;
    for (const endpoint of endpoints) {
      const instance = instanceOf(endpoint ?? {}, service, [port, ...named], told);
      if (instance === undefined) continue;
      const key = instance.uid ?? instance.instanceId;
      const known = found.get(key);
      if (known === undefined || isIPv6(known.host)) found.set(key, instance);
    }
  }
  return [...found.values()].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
}

function instanceOf(
  { addresses, conditions, targetRef, nodeName, zone }: SliceEndpoint,
  service: string,
  [main, ...others]: readonly [NamedPort, ...NamedPort[]],
  { onCorrupt }: SliceTold,
): Instance | undefined {
  const { port, speaks } = main;
  const [host] = addresses ?? [];
  if (host === undefined || conditions?.ready === false || conditions?.terminating === true) return undefined;
  const name = targetRef?.name || String(host);
  try {
    return foreignInstance({
      service,
      id: `${name}:${port}`,
      host,
      port,
      speaks,
      others,
      labels: { ...(zone && { zone }), ...(nodeName && { node: nodeName }) },
      uid: targetRef?.uid || undefined,
    });
  } catch (thrown) {
    onCorrupt(`${name} of ${service}`, (thrown as Error).message);
    return undefined;
  }
}

/** Only TCP: the plugin does not speak HTTP/3. */
function portsIn(ports: readonly SlicePort[]): readonly NamedPort[] {
  return ports.flatMap((given) => {
    const { port, protocol, appProtocol } = given ?? {};
    const name = given?.name ?? '';
    if (port == null || (protocol ?? 'TCP') !== 'TCP') return [];
    return [{ name, port, speaks: appProtocol ? speaksOf(appProtocol) : protocolInName(name) }];
  });
}

/** The port for calls. */
function mainOf(
  all: readonly NamedPort[],
  service: string,
  wanted: string | undefined,
  { onChoice }: SliceTold,
): NamedPort | undefined {
  if (wanted !== undefined) return all.find(({ name, port }) => name === wanted || String(port) === wanted);
  const candidates = likeliest(all);
  const [chosen] = candidates;
  const list = (some: readonly NamedPort[]): string =>
    some.map(({ name, port }) => `${name || 'no name'} ${port}`).join(', ');
  if (chosen === undefined && all.length > 0)
    onChoice(
      `the Service ${service} has no port that speaks HTTP or gRPC (${list(all)}), and is not called: name one with port= in the URL of the registry`,
    );
  if (candidates.length > 1)
    onChoice(
      `the Service ${service} has several ports alike (${list(candidates)}): ${chosen?.port} is called; name another one with port= in the URL of the registry`,
    );
  return chosen;
}

/** An unknown `appProtocol` is a protocol other than HTTP. */
function speaksOf(appProtocol: string): AppProtocol {
  return appProtocolOf(appProtocol.replace(/^kubernetes\.io\//, '')) ?? 'other';
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? value : [];
}
