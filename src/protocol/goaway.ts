import { LosslessError } from '../errors.ts';
import { isObject, type Json, objectIn } from '../json.ts';
import type { Ack, GoAway, Idle } from './identity.ts';

/** Path of GoAways at a control server. */
export const GOAWAY_PATH = '/lossless/goaway';

/** Header that names the receiving consumer: another process that listens at its address by now answers 410. */
export const AUDIENCE_HEADER = 'lossless-audience';

/** Longest body of a GoAway, in bytes. */
export const GOAWAY_LIMIT = 4_096;

/** Longest line of an answer, in characters: a hundred addresses fit. */
export const LINE_LIMIT = 32_768;

/** Longest isolation that can be asked for, in milliseconds. */
const LONGEST_ISOLATION_MS = 600_000;

/** Most ports of a provider. */
const MOST_PORTS = 16;

/** Longest version or zone of a consumer, in characters. */
const LONGEST_LABEL = 128;

/** Most addresses in a second line. */
const MOST_ADDRESSES = 100;

/** The body of a GoAway. */
export function encodeGoAway(goAway: GoAway): string {
  return JSON.stringify(goAway);
}

/**
 * Reads the body of a GoAway. It ignores unknown fields, so that a newer provider can send more.
 *
 * @throws LosslessError LOSSLESS_GOAWAY_INVALID naming the field and its rule
 */
export function decodeGoAway(body: string): GoAway {
  if (Buffer.byteLength(body) > GOAWAY_LIMIT) throw invalid(`a body of at most ${GOAWAY_LIMIT} bytes`);
  const root = objectIn(body);
  if (root === undefined) throw invalid('a JSON object');
  const provider = root['provider'];
  if (!isObject(provider)) throw invalid('an object `provider`');
  return {
    provider: {
      service: textOf(provider, 'service', 128),
      instanceId: textOf(provider, 'instanceId', 128),
      generation: integerOf(provider, 'generation', 0, Number.MAX_SAFE_INTEGER, 'provider.'),
      address: textOf(provider, 'address', 300, 0),
      ...(provider['ports'] !== undefined && { ports: portsOf(provider['ports']) }),
    },
    expiresInMs: integerOf(root, 'expiresInMs', 1, LONGEST_ISOLATION_MS),
  };
}

/** The first line of the answer. */
export function encodeAck(ack: Ack): string {
  return `${JSON.stringify(ack)}\n`;
}

/** The second line of the answer; addresses beyond the hundredth are left out. */
export function encodeIdle(idle: Idle): string {
  return `${JSON.stringify({ ...idle, addresses: idle.addresses.slice(0, MOST_ADDRESSES) })}\n`;
}

/** Reads a first line; undefined when it is none or too long. */
export function decodeAck(line: string): Ack | undefined {
  const ack = lineOf(line);
  const outstanding = ack?.['outstanding'];
  if (ack?.['isolated'] !== true || !Number.isSafeInteger(outstanding) || (outstanding as number) < 0) return undefined;
  const others = ack['others'];
  return {
    isolated: true,
    outstanding: outstanding as number,
    ...(Number.isSafeInteger(others) && (others as number) >= 0 && { others: others as number }),
    ...(ack['unused'] === true && { unused: true }),
    ...(isLabel(ack['version']) && { version: ack['version'] }),
    ...(isLabel(ack['zone']) && { zone: ack['zone'] }),
  };
}

function isLabel(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST_LABEL;
}

/** Reads a second line; undefined when it is none or too long. Addresses beyond the hundredth are left out. */
export function decodeIdle(line: string): Idle | undefined {
  const idle = lineOf(line);
  const addresses = idle?.['addresses'];
  if (idle?.['idle'] !== true || !Array.isArray(addresses)) return undefined;
  return {
    idle: true,
    addresses: addresses.filter((entry) => typeof entry === 'string').slice(0, MOST_ADDRESSES),
    ...(idle['unused'] === true && { unused: true }),
  };
}

function lineOf(line: string): Json | undefined {
  return line.length > LINE_LIMIT ? undefined : objectIn(line);
}

function textOf(from: Json, field: string, most: number, least = 1): string {
  const value = from[field];
  if (typeof value !== 'string' || value.length < least || value.length > most)
    throw invalid(`\`provider.${field}\` to be text of ${least} to ${most} characters`);
  return value;
}

/** Only ports, at the host of `address`, so that a provider cannot name the address of another host. */
function portsOf(value: unknown): readonly number[] {
  if (!Array.isArray(value) || value.length > MOST_PORTS)
    throw invalid(`\`provider.ports\` to be a list of at most ${MOST_PORTS} ports`);
  return value.map((port, n) => integerOf({ [n]: port }, String(n), 1, 65_535, 'provider.ports.'));
}

function integerOf(from: Json, field: string, least: number, most: number, path = ''): number {
  const value = from[field];
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw invalid(`\`${path}${field}\` to be a whole number from ${least} to ${most}`);
  return value as number;
}

function invalid(expected: string): LosslessError {
  return new LosslessError('LOSSLESS_GOAWAY_INVALID', `expected ${expected}`);
}
