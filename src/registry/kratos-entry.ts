import { hostPort } from '../protocol/host-port.ts';
import { decodeInstance } from './entry.ts';
import { parseObject } from './json.ts';
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
 * @throws Error naming what is wrong with it
 */
export function decodeEntry(text: string, service: string): readonly Instance[] {
  return decodeFields(parseObject(text, 'it'), service);
}

/** Reads the fields of an entry, as `decodeEntry` does. */
export function decodeFields(entry: Readonly<Record<string, unknown>>, service: string): readonly Instance[] {
  if (entry['lossless'] !== undefined)
    return [decodeInstance(entry['lossless'])].filter((found) => found.service === service);
  if (entry['name'] !== service) return [];
  const nodes = Array.isArray(entry['nodes']) ? entry['nodes'] : [entry];
  return nodes.flatMap((node) => foreign(node as Readonly<Record<string, unknown>>, service) ?? []);
}

function foreign(node: Readonly<Record<string, unknown>>, service: string): Instance | undefined {
  const { id, metadata, address, endpoints } = node;
  const urls = address === undefined ? endpoints : [`http://${String(address)}`];
  const url = (Array.isArray(urls) ? urls : [])
    .map((endpoint) => URL.parse(String(endpoint)))
    .find((found) => found?.protocol === 'http:' || found?.protocol === 'https:');
  if (url === undefined || url === null) return undefined;
  const labels = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  const isSecure = url.protocol === 'https:' || url.searchParams.get('isSecure') === 'true';
  const weight = Number(labels['weight'] ?? WEIGHT);
  return decodeInstance({
    service,
    instanceId: id,
    generation: 0,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    scheme: isSecure ? 'https' : 'http',
    weight: weight >= 0 ? weight : WEIGHT,
    registeredAt: 0,
    metadata: labels,
  });
}
