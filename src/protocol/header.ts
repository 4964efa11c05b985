import type { Caller, Identity } from './identity.ts';
import { type Keys, MOST_SECRETS, PROOF_LENGTH } from './keys.ts';

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

/** A signed header: the claim, its time in seconds since the Unix epoch, and a proof for each secret. */
const SIGNED = new RegExp(
  `^(?<claim>.*;t=(?<time>\\d{1,12}));sig="(?<proofs>[A-Za-z0-9_-]{${PROOF_LENGTH}}(?: [A-Za-z0-9_-]{${PROOF_LENGTH}}){0,${MOST_SECRETS - 1}})"$`,
);

/** The proof of a `lossless-consumer` header. */
export interface ConsumerProof {
  /** The header up to the proofs. */
  readonly claim: string;
  /** When it was signed, in milliseconds since the Unix epoch. */
  readonly signedAt: number;
  readonly proofs: readonly string[];
}

/**
 * The `lossless-consumer` header. With keys all of it is signed: service, id, generation, port, whether that speaks TLS, host and
 * time. The time is the beginning of the minute, so that the value seldom changes. The host is left out without a signature, or
 * when the value would be longer than `HEADER_LIMIT`: the provider then uses the address of the socket. Without a host the header
 * always fits.
 *
 * @param wallMs when it is signed, in milliseconds since the Unix epoch
 */
export function encodeConsumer(caller: Caller, keys?: Keys, wallMs = 0): string {
  const { service, instanceId, generation, port, host, tls } = caller;
  const plain = `${text(service)};id=${text(instanceId)};gen=${generation};port=${port}${tls === true ? ';tls=1' : ''}`;
  if (keys === undefined) return plain;
  const signed = (claim: string): string => `${claim};sig="${keys.prove('consumer', [claim]).join(' ')}"`;
  const time = `;t=${Math.floor(wallMs / 60_000) * 60}`;
  const full = signed(`${plain}${host === undefined ? '' : `;host=${text(host)}`}${time}`);
  return full.length <= HEADER_LIMIT ? full : signed(plain + time);
}

/**
 * Reads a `lossless-consumer` header.
 *
 * @param isProved whether its proof is valid. Only then the `host` is used, so that no caller can make the provider call third
 *   parties
 * @returns undefined when the value is malformed, oversized or out of range
 */
export function decodeConsumer(value: string, isProved = false): Caller | undefined {
  const item = parseItem(value);
  const identity = identityOf(item);
  const port = item?.parameters.get('port');
  if (identity === undefined || typeof port !== 'number' || port < 1 || port > 65_535) return undefined;
  const host = item?.parameters.get('host');
  const isHost = isProved && typeof host === 'string' && /^[A-Za-z0-9._:-]{1,253}$/.test(host);
  return {
    ...identity,
    port,
    ...(isHost && { host }),
    ...(item?.parameters.get('tls') === 1 && { tls: true }),
  };
}

/** The proof of a `lossless-consumer` header, unchecked; undefined when it has none. */
export function consumerProof(value: string): ConsumerProof | undefined {
  if (value.length > HEADER_LIMIT) return undefined;
  const { claim, time, proofs } = SIGNED.exec(value)?.groups ?? {};
  if (claim === undefined || proofs === undefined) return undefined;
  return { claim, signedAt: Number(time) * 1_000, proofs: proofs.split(' ') };
}

/**
 * The `lossless-draining` header.
 *
 * @param isolationMs how long the caller must send nothing, in milliseconds; written in whole seconds
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
