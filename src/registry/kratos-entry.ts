import { asError } from '../errors.ts';
import { type Json, parseObject } from '../json.ts';
import { hostPort } from '../protocol/host-port.ts';
import { hostPortOf } from './address.ts';
import { protocolInLabels } from './app-protocol.ts';
import { decodeInstance, type Foreign, foreignInstance, labelsOf } from './entry.ts';
import type { Decoded } from './entry-reader.ts';
import type { Instance } from './registry.ts';

/** What kratos and this package take for the weight of an instance that names none. */
const WEIGHT = 100;

/**
 * An instance as kratos writes it (`registry.ServiceInstance`, contrib/registry), so that its consumers can read it; the
 * instance itself is in the field `lossless`, which they pass over.
 */
export function encodeEntry(instance: Instance): string {
  return JSON.stringify(kratosFields(instance));
}

/** The fields of an entry. */
export function kratosFields(instance: Instance): Readonly<Record<string, unknown>> {
  const { instanceId, service, weight, metadata } = instance;
  return {
    id: instanceId,
    name: service,
    version: metadata['version'] ?? '',
    metadata: { ...metadata, ...(weight !== WEIGHT && { weight: String(Math.round(weight)) }) },
    endpoints: [originOf(instance)],
    lossless: instance,
  };
}

/** Where an instance is, as a URL. */
export function originOf(instance: Instance): string {
  return `${instance.scheme}://${hostPort(instance)}`;
}

/**
 * Reads an entry: ours, that of kratos, or that of go-micro (`registry.Service` with nodes). Those of others have no
 * generation: a GoAway is matched by their address. Endpoints that are not HTTP are passed over.
 *
 * @returns of nodes that cannot be read what is wrong with them
 * @throws Error naming what is wrong with it
 */
export function decodeEntry(text: string, service: string): readonly Decoded[] {
  return decodeFields(parseObject(text, 'it'), service);
}

/** Reads the fields of an entry, as `decodeEntry` does. */
export function decodeFields(entry: Json, service: string): readonly Decoded[] {
  if (entry['lossless'] !== undefined)
    return [decodeInstance(entry['lossless'])].filter((found) => found.service === service);
  if (entry['name'] !== service) return [];
  const nodes: readonly unknown[] = Array.isArray(entry['nodes']) ? entry['nodes'] : [entry];
  return nodes.map((node) => {
    try {
      return foreign((node ?? {}) as Json, service);
    } catch (thrown) {
      return asError(thrown);
    }
  });
}

/** kratos names protocols in the URLs of its endpoints, go-micro in the labels of a node. */
function foreign(node: Json, service: string): Instance | undefined {
  const { id, metadata, address } = node;
  const labels = labelsOf(metadata);
  const place = address === undefined ? endpointOf(node) : addressOf(node, labels);
  if (place === undefined) return undefined;
  return foreignInstance({ service, id, ...place, weight: labels['weight'], labels });
}

type Place = Pick<Foreign, 'host' | 'port' | 'isSecure'>;

function endpointOf({ endpoints }: Json): Place | undefined {
  const url = (Array.isArray(endpoints) ? endpoints : [])
    .map((endpoint) => URL.parse(String(endpoint)))
    .find((found) => found?.protocol === 'http:' || found?.protocol === 'https:');
  if (url === undefined || url === null) return undefined;
  const isSecure = url.protocol === 'https:' || url.searchParams.get('isSecure') === 'true';
  return { host: url.hostname, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80), isSecure };
}

/** Old versions of go-micro have the port apart. */
function addressOf({ address, port }: Json, labels: Readonly<Record<string, string>>): Place | undefined {
  const place = hostPortOf(String(address)) ?? { host: address, port };
  const protocol = protocolInLabels(labels, place.port);
  return protocol === 'other' ? undefined : { ...place, isSecure: protocol === 'https' };
}
