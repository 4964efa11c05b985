import { createHmac } from 'node:crypto';
import type { Caller, Identity } from './identity.ts';
import { sameText } from './same-text.ts';

/** Request header, consumer to provider. */
export const CONSUMER_HEADER = 'lossless-consumer';

/** Response header, provider to consumer, while it drains. */
export const DRAINING_HEADER = 'lossless-draining';

/** Longest header value that is read, in characters. */
export const HEADER_LIMIT = 512;

/** Longest service name or id, in characters. */
const NAME_LIMIT = 128;

/** A header value as a structured-field item (RFC 9651): a string and its parameters. */
interface Item {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string | number>;
}

/**
 * The `lossless-consumer` header. With a secret the address is signed, so that a provider behind address translation can
 * believe a `host`. A host is left out when it is not signed, or when it would make the value longer than `HEADER_LIMIT`:
 * a caller that is known by its socket's address is better than one that is not known.
 */
export function encodeConsumer(caller: Caller, secret?: string): string {
  const { service, instanceId, generation, port, host } = caller;
  const plain = `${text(service)};id=${text(instanceId)};gen=${generation};port=${port}`;
  if (host === undefined || secret === undefined) return plain;
  const signed = `${plain};host=${text(host)};sig=${text(signature(caller, secret))}`;
  return signed.length <= HEADER_LIMIT ? signed : plain;
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

/**
 * The `lossless-draining` header.
 *
 * @param isolationMs how long the caller shall send nothing more, in milliseconds; written in whole seconds
 */
export function encodeDraining({ service, instanceId, generation }: Identity, isolationMs?: number): string {
  const plain = `${text(service)};id=${text(instanceId)};gen=${generation}`;
  return isolationMs === undefined ? plain : `${plain};for=${Math.ceil(isolationMs / 1_000)}`;
}

/**
 * Reads a `lossless-draining` header.
 *
 * @returns undefined when the value is malformed, oversized or out of range
 */
export function decodeDraining(value: string): (Identity & { readonly isolationMs?: number }) | undefined {
  const item = parseItem(value);
  const identity = identityOf(item);
  const seconds = item?.parameters.get('for');
  return identity && { ...identity, ...(typeof seconds === 'number' && { isolationMs: seconds * 1_000 }) };
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

/** A string of RFC 9651, section 4.1.6; characters it cannot hold become a question mark. */
function text(value: string): string {
  return `"${value.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}

/** A string of RFC 9651, section 4.2.5, without its quotes. Every character fits one alternative only, so no backtracking. */
const TEXT = String.raw`(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*`;

/** The string an item begins with. */
const VALUE = new RegExp(`^ *"(${TEXT})"`);

/** One parameter: its name, then a string or an integer. Sticky, so that each character is looked at once. */
const PARAMETER = new RegExp(`; *([a-z*][a-z0-9_.*-]*)=(?:"(${TEXT})"|(-?\\d{1,15}))`, 'y');

/** What may follow the last parameter. */
const END = / *$/y;

/** The subset of RFC 9651 that is sent here: an item that is a string, with string and integer parameters. */
function parseItem(value: string): Item | undefined {
  if (value.length > HEADER_LIMIT) return undefined;
  const head = VALUE.exec(value);
  if (head === null) return undefined;
  const parameters = new Map<string, string | number>();
  let at = head[0].length;
  for (let found = matchAt(PARAMETER, value, at); found !== null; found = matchAt(PARAMETER, value, at)) {
    const [whole, key = '', string, integer] = found;
    parameters.set(key, string === undefined ? Number(integer) : unquote(string));
    at += whole.length;
  }
  return matchAt(END, value, at) === null ? undefined : { value: unquote(head[1] ?? ''), parameters };
}

function matchAt(sticky: RegExp, value: string, at: number): RegExpExecArray | null {
  sticky.lastIndex = at;
  return sticky.exec(value);
}

function unquote(quoted: string): string {
  return quoted.replace(/\\(.)/g, '$1');
}
