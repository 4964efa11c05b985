import { type Json, parseObject } from '../../json.ts';
import { labelsWithGrpc, overTls, protocolInLabels } from '../app-protocol.ts';
import { foreignInstance, labelsOf } from '../entry.ts';
import type { Decoded } from '../entry-reader.ts';
import { decodeFields, kratosFields, originOf } from '../kratos-entry.ts';
import type { Instance } from '../registry.ts';

/** Its payload of Spring Cloud: the class that Curator makes of it, which only consumers with Spring Cloud have. */
const SPRING = 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance';

/**
 * An instance as kratos writes it and as Curator does (`ServiceInstance` of curator-x-discovery, which Spring Cloud uses too):
 * both pass over the fields of the other.
 *
 * @param isForSpring with the labels as Spring Cloud has them, that of the port of gRPC among them
 */
export function encodeEntry(instance: Instance, isForSpring: boolean): string {
  const { instanceId, service, host, port, scheme, registeredAt } = instance;
  return JSON.stringify({
    ...kratosFields(instance),
    address: host,
    port: scheme === 'http' ? port : null,
    sslPort: scheme === 'https' ? port : null,
    payload: isForSpring
      ? { '@class': SPRING, id: instanceId, name: service, metadata: labelsWithGrpc(instance) }
      : null,
    registrationTimeUTC: registeredAt,
    serviceType: 'DYNAMIC',
    // Spring Cloud builds its URL of it.
    uriSpec: { parts: [{ value: originOf(instance), variable: false }] },
    enabled: true,
  });
}

/**
 * Reads an entry: ours, that of kratos, or that of Curator.
 *
 * @throws Error naming what is wrong with it
 */
export function decodeEntry(text: string, service: string): readonly Decoded[] {
  const entry = parseObject(text, 'it');
  if (entry['lossless'] !== undefined || entry['serviceType'] === undefined) return decodeFields(entry, service);
  return entry['name'] === service && isServing(entry) ? [curatorInstance(entry, service)] : [];
}

function curatorInstance(entry: Json, service: string): Instance | undefined {
  const { id, address, port, sslPort } = entry;
  const labels = labelsIn(entry);
  const protocol = protocolInLabels(labels, sslPort ?? port);
  if (protocol === 'other') return undefined;
  return foreignInstance({
    service,
    id,
    host: address,
    port: sslPort ?? port,
    speaks: (sslPort ?? undefined) === undefined ? protocol : overTls(protocol),
    weight: labels['weight'],
    labels,
  });
}

/** Spring Cloud takes an instance out by its label `instance_status`. */
function isServing(entry: Json): boolean {
  return entry['enabled'] !== false && (labelsIn(entry)['instance_status'] ?? 'UP') === 'UP';
}

/** What Spring Cloud has in the payload; the payload of others may be anything. */
function labelsIn({ payload }: Json): Readonly<Record<string, string>> {
  return labelsOf((payload as { readonly metadata?: unknown } | null | undefined)?.metadata);
}
