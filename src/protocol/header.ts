import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Caller, Identity } from './identity.ts';

/** Request header, consumer to provider. */
export const CONSUMER_HEADER = 'lossless-consumer';

/** Response header, provider to consumer, while it drains. */
export const DRAINING_HEADER = 'lossless-draining';

/** Longest header value that is read, in characters. */
export const HEADER_LIMIT = 512;

/** Longest service name or id, in characters. */
const NAME_LIMIT = 128;

/** Largest integer of a structured field (RFC 9651, section 3.3.1). */
const INTEGER_LIMIT = 999_999_999_999_999;

/** A header value as a structured-field item (RFC 9651): a string and its parameters. */
interface Item {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string | number>;
}

/**
 * The `lossless-consumer` header. With a secret the address is signed, so that a provider behind address translation can
 * believe a `host`.
 */
export function encodeConsumer(caller: Caller, secret?: string): string {
  const { service, instanceId, generation, port, host } = caller;
  const signed = host !== undefined && secret !== undefined;
  return [
    `${text(service)};id=${text(instanceId)};gen=${generation};port=${port}`,
    ...(signed ? [`host=${text(host)}`, `sig=${text(signature(caller, secret))}`] : []),
  ].join(';');
}

/**
 * Reads a `lossless-consumer` header. A `host` is dropped unless its signature is valid: the provider must not be made to
 * call third parties.
 *
 * @returns undefined when the value is malformed, oversized or out of range
 */
export function decodeConsumer(value: string, secret?: string): Caller | undefined {
  const item = parseItem(value);
  const identity = identityOf(item);
  const port = item?.parameters.get('port');
  if (identity === undefined || typeof port !== 'number' || port < 1 || port > 65_535) return undefined;
  const host = item?.parameters.get('host');
  const sig = item?.parameters.get('sig');
  const caller: Caller = { ...identity, port };
  if (typeof host !== 'string' || typeof sig !== 'string' || secret === undefined) return caller;
  if (!/^[A-Za-z0-9._:-]{1,253}$/.test(host)) return caller;
  const claimed: Caller = { ...caller, host };
  return sameText(sig, signature(claimed, secret)) ? claimed : caller;
}

/** The `lossless-draining` header. */
export function encodeDraining({ service, instanceId, generation }: Identity): string {
  return `${text(service)};id=${text(instanceId)};gen=${generation}`;
}

/**
 * Reads a `lossless-draining` header.
 *
 * @returns undefined when the value is malformed, oversized or out of range
 */
export function decodeDraining(value: string): Identity | undefined {
  return identityOf(parseItem(value));
}

function identityOf(item: Item | undefined): Identity | undefined {
  const instanceId = item?.parameters.get('id');
  const generation = item?.parameters.get('gen');
  if (item === undefined || typeof instanceId !== 'string' || typeof generation !== 'number') return undefined;
  if (!isName(item.value) || !isName(instanceId) || generation < 0) return undefined;
  return { service: item.value, instanceId, generation };
}

function isName(name: string): boolean {
  return name.length > 0 && name.length <= NAME_LIMIT;
}

function signature({ service, instanceId, generation, port, host }: Caller, secret: string): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify(['consumer', service, instanceId, generation, port, host]))
    .digest('base64url');
}

function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A string of RFC 9651, section 4.1.6; characters it cannot hold become a question mark. */
function text(value: string): string {
  return `"${value.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}

/** One parameter: its name, then a string or an integer. Sticky, so that each character is looked at once. */
const PARAMETER =
  /; *(?<key>[a-z*][a-z0-9_.*-]*)=(?:"(?<string>(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"|(?<integer>-?\d{1,15})(?![\d.]))/y;

/** The string an item begins with. */
const VALUE = /^ *"(?<string>(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/;

/** The subset of RFC 9651 that is sent here: an item that is a string, with string and integer parameters. */
function parseItem(value: string): Item | undefined {
  if (value.length > HEADER_LIMIT) return undefined;
  const trimmed = value.replace(/ +$/, '');
  const head = VALUE.exec(trimmed);
  if (head === null) return undefined;
  const parameters = new Map<string, string | number>();
  PARAMETER.lastIndex = head[0].length;
  while (PARAMETER.lastIndex < trimmed.length) {
    const found = PARAMETER.exec(trimmed);
    if (found?.groups === undefined) return undefined;
    const { key, string, integer } = found.groups;
    parameters.set(key as string, string === undefined ? Number(integer) : unquote(string));
  }
  const generation = parameters.get('gen');
  if (typeof generation === 'number' && generation > INTEGER_LIMIT) return undefined;
  return { value: unquote(head.groups?.['string'] ?? ''), parameters };
}

function unquote(quoted: string): string {
  return quoted.replace(/\\(.)/g, '$1');
}
