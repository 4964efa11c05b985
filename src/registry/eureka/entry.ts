import { createHash } from 'node:crypto';
import { objectOf, parseJson } from '../../json.ts';
import { labelsWithGrpc, overTls, protocolInLabels } from '../app-protocol.ts';
import { decodeInstance, foreignInstance, labelsOf } from '../entry.ts';
import type { Instance } from '../registry.ts';

/**
 * Factor between the weights of this package and of Spring Cloud (metadata `weight`, a whole number), so that both defaults are
 * equal.
 */
const WEIGHT = 100;

/** Labels that Eureka's XML can hold too: their names become those of elements. */
const NAME = /^(?!lossless$|xml)[A-Za-z_][A-Za-z0-9_.-]{0,127}$/i;

/** A port in Eureka's JSON. */
interface Port {
  readonly $: number;
  readonly '@enabled': 'true' | 'false';
}

/** Body of `POST /apps/<APP>`: fields of `com.netflix.appinfo.InstanceInfo`. */
export interface InstanceInfo {
  readonly instanceId: string;
  readonly hostName: string;
  readonly ipAddr: string;
  readonly app: string;
  readonly vipAddress: string;
  readonly secureVipAddress: string;
  readonly status: 'OUT_OF_SERVICE';
  readonly port: Port;
  readonly securePort: Port;
  readonly dataCenterInfo: { readonly '@class': string; readonly name: string };
  readonly leaseInfo: { readonly renewalIntervalInSecs: number; readonly durationInSecs: number };
  readonly metadata: Readonly<Record<string, string>>;
  /** Of two registrations the server keeps the one with the later time. */
  readonly lastDirtyTimestamp: string;
}

/**
 * An instance for Eureka, not in service yet: a status override, which Eureka forgets with the entry, makes it `UP`. So a
 * registration after the removal is never listed, and one that replaces an entry in service leaves it in service. The instance
 * itself is JSON in the metadata `lossless`; labels are copied under their names, for consumers without the plugin.
 *
 * @param leaseS lifetime without a heartbeat, in seconds
 * @param writtenAt milliseconds since the Unix epoch
 */
export function encodeInfo(instance: Instance, leaseS: number, writtenAt: number): InstanceInfo {
  const { service, host, port, scheme, weight } = instance;
  const isSecure = scheme === 'https';
  const labels = Object.entries({
    ...labelsWithGrpc(instance),
    ...(weight !== WEIGHT && { weight: String(springWeight(weight)) }),
  });
  return {
    instanceId: infoIdOf(instance),
    hostName: host,
    ipAddr: host,
    app: appOf(service),
    vipAddress: service,
    secureVipAddress: service,
    status: 'OUT_OF_SERVICE',
    port: { $: port, '@enabled': isSecure ? 'false' : 'true' },
    securePort: { $: port, '@enabled': isSecure ? 'true' : 'false' },
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    leaseInfo: { renewalIntervalInSecs: Math.max(Math.floor(leaseS / 3), 1), durationInSecs: leaseS },
    metadata: Object.fromEntries([
      ...labels.filter(([name, label]) => NAME.test(name) && isPlain(label)),
      ['lossless', ascii(JSON.stringify(instance))],
    ]),
    lastDirtyTimestamp: String(writtenAt),
  };
}

/** Application names ignore case. */
export function appOf(service: string): string {
  return service.toUpperCase();
}

/**
 * The id of an instance in Eureka. It contains the service, because overrides of all applications share one set of ids. Plain ids
 * are kept for people; those that Eureka's paths cannot hold are hashed.
 */
export function infoIdOf({ service, instanceId }: Instance): string {
  const id = `${service}:${instanceId}`;
  if (/^[A-Za-z0-9][A-Za-z0-9:._-]{0,255}$/.test(id)) return id;
  return `${service}:~${createHash('sha256').update(id).digest('hex').slice(0, 40)}`;
}

/**
 * Reads an entry. An entry of others (Spring Cloud) has no generation: a GoAway matches it by address. The address is its
 * `hostName`, which Spring Cloud calls; under `prefer-ip-address` that is the IP address.
 *
 * @returns undefined when it is not in service, has no port, none that speaks HTTP, or is of a service that differs in case only
 * @throws Error naming what is wrong with it
 */
export function decodeInfo(entry: unknown, service: string): Instance | undefined {
  const info = objectOf(entry, 'it');
  if (info['status'] !== 'UP') return undefined;
  const metadata = labelsIn(info['metadata']);
  if (metadata['lossless'] !== undefined) {
    const instance = decodeInstance(parseJson(metadata['lossless'], '`lossless` in its metadata'));
    return instance.service === service ? instance : undefined;
  }
  const securePort = portOf(info['securePort']);
  const port = securePort ?? portOf(info['port']);
  const protocol = protocolInLabels(metadata, port);
  if (port === undefined || protocol === 'other') return undefined;
  return foreignInstance({
    service,
    id: info['instanceId'] ?? info['hostName'],
    host: info['hostName'] || info['ipAddr'],
    port,
    speaks: securePort === undefined ? protocol : overTls(protocol),
    weight: (Number(metadata['weight']) || 1) * WEIGHT,
    labels: metadata,
  });
}

function springWeight(weight: number): number {
  return Math.max(Math.round(weight / WEIGHT), 1);
}

function isPlain(label: string): boolean {
  return label.isWellFormed() && !/\p{Cc}/u.test(label);
}

function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** An empty one may hold the name of a Java class. */
function labelsIn(metadata: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labelsOf(metadata)).filter(([name]) => !name.startsWith('@')));
}

/** Undefined when it is switched off. */
function portOf(port: unknown): number | undefined {
  const { $: number, '@enabled': enabled } = (port ?? {}) as Readonly<Record<string, unknown>>;
  return String(enabled) === 'true' ? Number(number) : undefined;
}
