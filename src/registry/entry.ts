import { isObject, objectOf, parseJson } from '../json.ts';
import { startedAt } from '../process/started-at.ts';
import { hostPort } from '../protocol/host-port.ts';
import { hostOf } from './address.ts';
import { type AppProtocol, portsInLabels, spokenAs } from './app-protocol.ts';
import { PROTOCOLS, type ProtocolEndpoint } from './endpoints.ts';
import { endpointsAmong, type SpeakingPort } from './http-port.ts';
import type { Instance } from './registry.ts';

/** One file of the `file:` registry: an instance, and the process that owns the entry. */
export interface Entry {
  readonly pid: number;
  /** Start of that process, in clock ticks since boot (`/proc/<pid>/stat`, field 22); 0 where it is unknown. */
  readonly started: number;
  readonly instance: Instance;
}

/** Longest entry that is read or written, in bytes. */
export const ENTRY_LIMIT = 16_384;

/** Largest weight; a larger one counts as this, so that sums of a list stay exact. */
const MOST_WEIGHT = 1e9;

/** Most endpoints of an instance: one of each protocol, with room for protocols of later versions. */
const MOST_ENDPOINTS = 16;

/** Default weight of an instance. */
const WEIGHT = 100;

/** Process ids are 32-bit integers. */
const LARGEST_PID = 2 ** 31 - 1;

/** The text of an entry of this process. */
export function encodeEntry(instance: Instance): string {
  const entry: Entry = { pid: process.pid, started: startedAt(process.pid) ?? 0, instance };
  return `${JSON.stringify(entry)}\n`;
}

/**
 * Reads an entry.
 *
 * @throws Error naming what is wrong with it
 */
export function decodeEntry(text: string): Entry {
  const { pid, started, instance } = objectOf(parseJson(text, 'it'), 'the entry');
  return {
    pid: whole(pid, 'pid', 1, LARGEST_PID),
    started: whole(started, 'started', 0),
    instance: decodeInstance(instance),
  };
}

/** Whether the process that owns an entry still runs. */
export function isAlive({ pid, started }: Entry): boolean {
  const now = startedAt(pid);
  return now !== undefined && (now === started || now === 0 || started === 0);
}

/**
 * Reads an instance from JSON.
 *
 * @throws Error naming what is wrong with it
 */
export function decodeInstance(value: unknown): Instance {
  const fields = objectOf(value, 'instance');
  const { service, instanceId, generation, host, port, scheme, weight, registeredAt, metadata, uid } = fields;
  const endpoints = decodeEndpoints(fields['endpoints']);
  if (scheme !== 'http' && scheme !== 'https') throw new Error('`scheme` is not http or https');
  if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0)
    throw new Error('`weight` is not a number from 0');
  return {
    service: text(service, 'service'),
    instanceId: text(instanceId, 'instanceId'),
    generation: whole(generation, 'generation', 0),
    host: hostOf(host),
    port: portOf(port),
    scheme,
    weight: Math.min(weight, MOST_WEIGHT),
    registeredAt: whole(registeredAt, 'registeredAt', 0),
    metadata: labelsOf(metadata),
    ...(endpoints.length > 0 && { endpoints }),
    ...(typeof uid === 'string' && uid !== '' && { uid }),
  };
}

/**
 * Reads the endpoints of an instance from JSON; it skips unknown protocols of later versions.
 *
 * @throws Error naming what is wrong with them
 */
function decodeEndpoints(value: unknown): readonly ProtocolEndpoint[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MOST_ENDPOINTS)
    throw new Error(`\`endpoints\` is not a list of at most ${MOST_ENDPOINTS}`);
  return value.flatMap((each: unknown) => {
    const { protocol, port, secure } = objectOf(each, 'an endpoint');
    const known = PROTOCOLS.find((name) => name === protocol);
    return known === undefined ? [] : [{ protocol: known, port: portOf(port), secure: secure === true }];
  });
}

/** An instance from another client; the fields are unchecked. */
export interface Foreign {
  readonly service: string;
  /** When absent, empty or not text, its address is used. */
  readonly id?: unknown;
  readonly host: unknown;
  readonly port: unknown;
  /** Protocol of the port. Absent: unknown. */
  readonly speaks?: AppProtocol | undefined;
  /** Further ports, at the same host. */
  readonly others?: readonly SpeakingPort[];
  /** In the unit of this package. A value that is not a number from 0 counts as the default. */
  readonly weight?: unknown;
  readonly labels: unknown;
  readonly uid?: string | undefined;
}

/**
 * An instance that another client has listed. It has no generation and is identified by its address.
 *
 * @throws Error naming what is wrong with its address; errors in other fields do not exclude it
 */
export function foreignInstance(foreign: Foreign): Instance {
  const { service, id, host, port, speaks, others = [], weight, uid } = foreign;
  const address = { host: hostOf(host), port: portOf(port) };
  const labels = labelsOf(foreign.labels);
  const endpoints = endpointsAmong({ port: address.port, speaks }, [...others, ...portsInLabels(labels)]);
  const share = weight === null || weight === '' ? Number.NaN : Number(weight ?? Number.NaN);
  return {
    service,
    instanceId: (typeof id === 'string' || typeof id === 'number' ? String(id) : '') || hostPort(address),
    generation: 0,
    ...address,
    scheme: spokenAs(speaks)?.secure === true ? 'https' : 'http',
    weight: share >= 0 ? Math.min(share, MOST_WEIGHT) : WEIGHT,
    registeredAt: 0,
    metadata: labels,
    ...(endpoints !== undefined && { endpoints }),
    ...(uid !== undefined && { uid }),
  };
}

/** Labels are text: other values become text where possible, and are dropped otherwise. */
export function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, label]) => ['string', 'number', 'boolean'].includes(typeof label))
      .map(([name, label]) => [name, String(label)]),
  );
}

/** Some clients write numbers as text. */
function portOf(value: unknown): number {
  return whole(typeof value === 'string' && /^\s*\d{1,5}\s*$/.test(value) ? Number(value) : value, 'port', 1, 65_535);
}

function text(value: unknown, field: string, least = 1): string {
  if (typeof value !== 'string' || value.length < least) throw new Error(`\`${field}\` is not text`);
  return value;
}

function whole(value: unknown, field: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw new Error(`\`${field}\` is not a whole number from ${least} to ${most}`);
  return value as number;
}
