import { parseObject } from '../../json.ts';
import { GRPC_PORT, labelsWithGrpc, protocolInLabels } from '../app-protocol.ts';
import { decodeInstance, foreignInstance, labelsOf } from '../entry.ts';
import type { Instance } from '../registry.ts';

/** Factor between the weights of this package and of Nacos, so that both defaults are equal. */
const WEIGHT = 100;

/** Largest weight of Nacos. */
const MOST_WEIGHT = 10_000;

/** Metadata that are not labels: ours, what Spring Cloud reads, and times that the server reads. */
const RESERVED = /^(lossless|secure|preserved\..*)$/;

/** Fields of a registration, beside the service. */
export interface NacosEntry {
  readonly ip: string;
  readonly port: string;
  readonly weight: string;
  /** JSON. Nacos admits 1024 characters of names and values. */
  readonly metadata: string;
}

/**
 * An instance as a Nacos instance: labels are metadata, fields that Nacos does not have are JSON in the metadata `lossless`, and
 * Spring Cloud reads `secure`.
 *
 * @param ttlMs after so long without a heartbeat it is unhealthy, and removed after twice that
 */
export function encodeEntry(instance: Instance, ttlMs: number): NacosEntry {
  const { instanceId, generation, registeredAt, scheme, metadata, endpoints } = instance;
  const isOurs = reservedFor(endpoints);
  const reserved = Object.entries(metadata).filter(([name]) => isOurs(name));
  const own = {
    instanceId,
    generation,
    registeredAt,
    ...(endpoints !== undefined && { endpoints }),
    ...(reserved.length > 0 && { labels: Object.fromEntries(reserved) }),
  };
  return {
    ip: instance.host,
    port: String(instance.port),
    weight: String(Math.min(instance.weight / WEIGHT, MOST_WEIGHT)),
    metadata: JSON.stringify({
      ...Object.fromEntries(Object.entries(labelsWithGrpc(instance)).filter(([name]) => !RESERVED.test(name))),
      ...(scheme === 'https' && { secure: 'true' }),
      'preserved.heart.beat.interval': String(Math.round(ttlMs / 3)),
      'preserved.heart.beat.timeout': String(ttlMs),
      'preserved.ip.delete.timeout': String(ttlMs * 2),
      lossless: JSON.stringify(own),
    }),
  };
}

/**
 * Reads one instance of a list. Entries of others have no generation: a GoAway matches them by address.
 *
 * @returns undefined when it takes no traffic: unhealthy, disabled, or with a port that speaks neither HTTP nor gRPC
 * @throws Error naming what is wrong with it
 */
export function decodeEntry(value: unknown, service: string): Instance | undefined {
  const { ip, port, weight, healthy, enabled, instanceId, metadata } = (value ?? {}) as Readonly<
    Record<string, unknown>
  >;
  if (healthy === false || enabled === false) return undefined;
  const labels = labelsOf(metadata);
  // Converts a quotient of two numbers back to its former unit.
  const share = typeof weight === 'number' ? Math.round(weight * WEIGHT * 1e6) / 1e6 : WEIGHT;
  if (labels['lossless'] === undefined) {
    const protocol = protocolInLabels(labels, port);
    if (protocol === 'other') return undefined;
    return foreignInstance({ service, id: instanceId, host: ip, port, speaks: protocol, weight: share, labels });
  }
  const own = parseObject(labels['lossless'], '`lossless` in its metadata');
  const isOurs = reservedFor(own['endpoints']);
  const free = Object.entries(labels).filter(([name]) => !isOurs(name));
  return decodeInstance({
    service,
    host: ip,
    port,
    scheme: labels['secure'] === 'true' ? 'https' : 'http',
    weight: share,
    instanceId: own['instanceId'],
    generation: own['generation'],
    registeredAt: own['registeredAt'],
    metadata: { ...Object.fromEntries(free), ...labelsOf(own['labels']) },
    endpoints: own['endpoints'],
  });
}

/** An instance with endpoints may have written the port of gRPC; without any, a label of that name is the user's. */
function reservedFor(endpoints: unknown): (name: string) => boolean {
  return (name) => RESERVED.test(name) || (endpoints !== undefined && name === GRPC_PORT);
}
