import { createHash } from 'node:crypto';
import { parseJson } from '../../json.ts';
import { labelsWithGrpc, portsInLabels, protocolInLabels, protocolInName } from '../app-protocol.ts';
import { decodeInstance, foreignInstance, labelsOf } from '../entry.ts';
import type { Decoded } from '../entry-reader.ts';
import { likeliest, type NamedPort } from '../http-port.ts';
import { decodeFields, originsOf } from '../kratos-entry.ts';
import type { Instance } from '../registry.ts';

/** Limits of the metadata of a Consul service (`ValidateServiceMetadata`, Consul 1.22). */
const MOST_PAIRS = 64;
const LONGEST_VALUE = 512;
const KEY = /^(?!consul-|lossless-)[A-Za-z0-9_-]{1,128}$/;

/** Most pairs that hold an instance; the rest is for copies for other clients. */
const MOST_PARTS = 48;

/** Factor between the weights of this package and of Consul, so that both defaults are equal. */
const WEIGHT = 100;

/** Body of `/v1/agent/service/register`. */
export interface ConsulService {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  /** The URL for kratos, by scheme. Consul itself uses only tagged addresses with other names. */
  readonly TaggedAddresses: Readonly<Record<string, { readonly Address: string; readonly Port: number }>>;
  readonly Meta: Readonly<Record<string, string>>;
  readonly Weights: { readonly Passing: number; readonly Warning: number };
}

/**
 * An instance as a Consul service. The instance itself is JSON in `lossless-0`, `lossless-1` and so on; labels that Consul can
 * hold are copied under their names, for consumers without the plugin.
 *
 * @throws Error when it is too long for the metadata of a service
 */
export function encodeService(instance: Instance): ConsulService {
  const text = JSON.stringify(instance).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const parts = text.match(new RegExp(`.{1,${LONGEST_VALUE}}`, 'g')) ?? [];
  if (parts.length > MOST_PARTS)
    throw new Error(`an instance may have ${MOST_PARTS * LONGEST_VALUE} characters, this one has ${text.length}`);
  const labels = Object.entries({ ...labelsWithGrpc(instance), ...(instance.scheme === 'https' && { secure: 'true' }) })
    .filter(([key, value]) => KEY.test(key) && Buffer.byteLength(value) <= LONGEST_VALUE)
    .slice(0, MOST_PAIRS - parts.length);
  return {
    ID: serviceIdOf(instance),
    Name: instance.service,
    Address: instance.host,
    Port: instance.port,
    TaggedAddresses: Object.fromEntries(
      originsOf(instance).map(({ scheme, port, origin }) => [scheme, { Address: origin, Port: port }]),
    ),
    Meta: Object.fromEntries([...labels, ...parts.map((part, n) => [`lossless-${n}`, part])]),
    Weights: { Passing: Math.min(Math.max(Math.round(instance.weight / WEIGHT), 1), 65_535), Warning: 1 },
  };
}

/** Ids are unique within an agent and ignore case; plain ones are kept for people. */
export function serviceIdOf({ service, instanceId }: Instance): string {
  const id = `${service}:${instanceId}`;
  if (/^[a-z0-9][a-z0-9:._-]{0,200}$/.test(id)) return id;
  return `${service.toLowerCase()}:~${createHash('sha256').update(id).digest('hex').slice(0, 40)}`;
}

/**
 * Reads one entry of `/v1/health/service/<name>`. Entries of others (Spring Cloud, go-micro, kratos, a configuration file) have
 * no generation: a GoAway matches them by address.
 *
 * @returns undefined when it is of another service, has no port, or none that speaks HTTP or gRPC
 * @throws Error naming what is wrong with it
 */
export function decodeService(entry: unknown, service: string): Decoded | readonly Decoded[] {
  const { Node, Service } = (entry ?? {}) as {
    Node?: Partial<ConsulNode> | null;
    Service?: (Partial<ConsulService> & { Service?: string; Tags?: unknown; Ports?: unknown }) | null;
  };
  if (typeof Service !== 'object' || Service === null) throw new Error('`Service` is not an object');
  if (Service.Service !== service) return undefined;
  const labels = labelsOf(Service.Meta);
  if (labels['lossless-0'] !== undefined) {
    const instance = decodeInstance(parseJson(joined(labels), 'what `lossless-0` and those after it hold'));
    return instance.service === service ? instance : undefined;
  }
  const id = `${Node?.Node ?? ''}/${Service.ID ?? ''}`;
  const endpoints = Object.values(Service.TaggedAddresses ?? {})
    .map((address) => String(address?.Address))
    .filter((address) => address.includes('://'));
  if (endpoints.length > 0) return decodeFields({ id, name: service, metadata: labels, endpoints }, service);
  const ports = portsOf(Service);
  const { port, speaks } = likeliest(ports)[0] ?? {};
  if (!port) return undefined;
  const told = { ...labelsIn(Service.Tags), ...labels };
  const protocol = speaks ?? protocolInLabels(told, port);
  if (protocol === 'other') return undefined;
  return foreignInstance({
    service,
    id,
    host: Service.Address || Node?.Address,
    port,
    speaks: protocol,
    others: [...ports, ...portsInLabels(told)],
    weight: (Service.Weights?.Passing ?? 1) * WEIGHT,
    labels,
  });
}

/** The named ports that Consul has from 1.22 on, the default one first; else the one port there is. */
function portsOf({ Port: port, Ports }: { readonly Port?: unknown; readonly Ports?: unknown }): readonly NamedPort[] {
  const ports = (Array.isArray(Ports) ? Ports : []) as readonly (ConsulPort | null)[];
  if (ports.length === 0) return [{ name: '', port: Number(port) }];
  return [...ports]
    .sort((a, b) => Number(b?.Default === true) - Number(a?.Default === true))
    .map((each) => ({ name: String(each?.Name), port: Number(each?.Port), speaks: protocolInName(each?.Name) }));
}

interface ConsulPort {
  readonly Name?: unknown;
  readonly Port?: unknown;
  readonly Default?: unknown;
}

/** The labels that Spring Cloud and its like write as tags: `secure=true`. */
function labelsIn(tags: unknown): Readonly<Record<string, string>> {
  const pairs = (Array.isArray(tags) ? tags : []).map((tag) => /^([^=]+)=(.*)$/s.exec(String(tag)));
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1] ?? '', pair[2] ?? '']])));
}

interface ConsulNode {
  readonly Node: string;
  readonly Address: string;
}

function joined(meta: Readonly<Record<string, string>>): string {
  let text = '';
  for (let n = 0; n < MOST_PARTS && meta[`lossless-${n}`] !== undefined; n++) text += meta[`lossless-${n}`];
  return text;
}
