import { asError } from '../errors.ts';
import { type Json, parseObject } from '../json.ts';
import { hostPort } from '../protocol/host-port.ts';
import { hostPortOf } from './address.ts';
import { type AppProtocol, protocolInLabels, spokenAs } from './app-protocol.ts';
import { decodeInstance, type Foreign, foreignInstance, labelsOf } from './entry.ts';
import type { Decoded } from './entry-reader.ts';
import type { SpeakingPort } from './http-port.ts';
import type { Instance } from './registry.ts';

/** Default weight of kratos and of this package. */
const WEIGHT = 100;

/**
 * An instance in the format of kratos (`registry.ServiceInstance`, contrib/registry) for its consumers; the instance itself is in
 * the field `lossless`, which they ignore.
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
    endpoints: originsOf(instance).map(({ origin }) => origin),
    lossless: instance,
  };
}

/** URL of the main port of an instance. */
export function originOf(instance: Instance): string {
  return originsOf(instance)[0]?.origin ?? '';
}

/** An endpoint of kratos. */
interface Origin {
  /** Of the URL. */
  readonly scheme: string;
  readonly port: number;
  readonly origin: string;
}

/** The endpoints of an instance in the format of kratos, one of each scheme, the main one first. */
export function originsOf({ host, port, scheme, endpoints }: Instance): readonly Origin[] {
  const main = { protocol: 'http', port, secure: scheme === 'https' } as const;
  const all = (endpoints ?? [main]).map(({ protocol, port: own, secure }): Origin => {
    const name = `${protocol === 'grpc' ? 'grpc' : 'http'}${secure ? 's' : ''}`;
    return { scheme: name, port: own, origin: `${name}://${hostPort({ host, port: own })}` };
  });
  return all.filter((each, n) => all.findIndex((other) => other.scheme === each.scheme) === n);
}

/**
 * Reads an entry of this package, of kratos, or of go-micro (`registry.Service` with nodes). Entries of others have no
 * generation: a GoAway matches them by address. Endpoints of other protocols than HTTP and gRPC are skipped.
 *
 * @returns the instances, and the errors of unreadable nodes
 * @throws Error naming what is wrong with it
 */
export function decodeEntry(text: string, service: string): readonly Decoded[] {
  return decodeFields(parseObject(text, 'it'), service);
}

/** Like `decodeEntry`, for parsed fields. */
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

type Place = Pick<Foreign, 'host' | 'port' | 'speaks' | 'others'>;

/** The default port of a URL without one. */
const DEFAULT_PORTS: Readonly<Partial<Record<AppProtocol, number>>> = { http: 80, https: 443 };

function endpointOf({ endpoints }: Json): Place | undefined {
  const places = (Array.isArray(endpoints) ? endpoints : []).flatMap((endpoint) => placeAt(String(endpoint)));
  const main = places.find(({ speaks }) => spokenAs(speaks)?.protocol === 'http') ?? places[0];
  return main && { ...main, others: places.filter(({ host }) => host === main.host) };
}

/** One endpoint; none for a scheme unknown to kratos or never called by the plugin. */
function placeAt(endpoint: string): readonly (SpeakingPort & { readonly host: string })[] {
  const url = URL.parse(endpoint);
  const name = url?.protocol.slice(0, -1);
  const secure = url?.searchParams.get('isSecure') === 'true' ? 'true' : 'false';
  const speaks = name && protocolInLabels({ protocol: name, secure }, undefined);
  if (url === null || !speaks || spokenAs(speaks) === undefined) return [];
  return [{ host: url.hostname, port: Number(url.port) || (DEFAULT_PORTS[speaks] ?? 0), speaks }];
}

/** Old versions of go-micro have the port in a separate field. */
function addressOf({ address, port }: Json, labels: Readonly<Record<string, string>>): Place | undefined {
  const place = hostPortOf(String(address)) ?? { host: address, port };
  const protocol = protocolInLabels(labels, place.port);
  return protocol === 'other' ? undefined : { ...place, speaks: protocol };
}
