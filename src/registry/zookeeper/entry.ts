import { type Json, parseObject } from '../../json.ts';
import { labelsWithGrpc, overTls, protocolInLabels } from '../app-protocol.ts';
import { foreignInstance, labelsOf } from '../entry.ts';
import type { Decoded } from '../entry-reader.ts';
import { decodeFields, kratosFields, originOf } from '../kratos-entry.ts';
import type { Instance } from '../registry.ts';

/** Class of the payload for Spring Cloud; only consumers with Spring Cloud have it. */
const SPRING = 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance';

/**
 * An instance in the formats of kratos and of Curator (`ServiceInstance` of curator-x-discovery, which Spring Cloud uses too) at
 * once: each ignores the fields of the other.
 *
 * @param isForSpring adds the labels in the form of Spring Cloud, including that of the gRPC port
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
    // Spring Cloud builds its URL from it.
    uriSpec: { parts: [{ value: originOf(instance), variable: false }] },
    enabled: true,
  });
}

/**
 * Reads an entry of this package, of kratos, or of Curator.
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

/** The metadata in the payload of Spring Cloud; the payload of others may hold any value. */
function labelsIn({ payload }: Json): Readonly<Record<string, string>> {
  return labelsOf((payload as { readonly metadata?: unknown } | null | undefined)?.metadata);
}
