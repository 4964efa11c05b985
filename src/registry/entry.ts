import { isObject, objectOf, parseJson } from '../json.ts';
import { startedAt } from '../process/started-at.ts';
import { hostPort } from '../protocol/host-port.ts';
import { hostOf } from './address.ts';
import { type AppProtocol, portsInLabels, spokenAs } from './app-protocol.ts';
import { PROTOCOLS, type ProtocolEndpoint } from './endpoints.ts';
import { endpointsAmong, type SpeakingPort } from './http-port.ts';
import type { Instance } from './registry.ts';

/** One file of the `file:` registry: an instance and the process that vouches for it. */
export interface Entry {
  readonly pid: number;
  /** When that process started, in clock ticks since boot (`/proc/<pid>/stat`, field 22); 0 where that is not known. */
  readonly started: number;
  readonly instance: Instance;
}

/** Longest entry that is read or written, in bytes. */
export const ENTRY_LIMIT = 16_384;

/** Largest weight; a larger one counts as this. Sums of any list of them are still exact. */
const MOST_WEIGHT = 1e9;

/** Most endpoints of an instance: there is one of each protocol, and a later version may know more of these. */
const MOST_ENDPOINTS = 16;

/** Weight of an instance that names none. */
const WEIGHT = 100;

/** Process ids are 32-bit integers. */
const LARGEST_PID = 2 ** 31 - 1;

/** The text of an entry that this process vouches for. */
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

/** Whether the process that vouches for an entry still runs. */
export function isAlive({ pid, started }: Entry): boolean {
  const now = startedAt(pid);
  return now !== undefined && (now === started || now === 0 || started === 0);
}

/**
 * Reads an instance as JSON holds it.
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
 * Reads the endpoints of an instance as JSON holds them; protocols that a later version may have are passed over.
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

/** What something else than this package says of an instance; each field as it came. */
export interface Foreign {
  readonly service: string;
  /** Absent, empty or no text: its address stands for it. */
  readonly id?: unknown;
  readonly host: unknown;
  readonly port: unknown;
  /** What the port speaks. Absent: not known. */
  readonly speaks?: AppProtocol | undefined;
  /** Further ports, at the same host. */
  readonly others?: readonly SpeakingPort[];
  /** In our unit. What is not a number from 0 counts as the default. */
  readonly weight?: unknown;
  readonly labels: unknown;
  readonly uid?: string | undefined;
}

/**
 * An instance that something else has listed. It has no generation: it is known by its address.
 *
 * @throws Error naming what is wrong with its address; nothing else is a reason to do without it
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

/** Labels are text: what can be is made text, the rest is left out. */
export function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, label]) => ['string', 'number', 'boolean'].includes(typeof label))
      .map(([name, label]) => [name, String(label)]),
  );
}

/** Some write numbers as text. */
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
