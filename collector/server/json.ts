import { isObject, type Json, valueIn } from '../../src/json.ts';
import { Refused } from './refused.ts';

/** Whether an object of a union is the variant with this field. */
export function isJson<T extends object, K extends string>(
  value: T,
  key: K,
): value is Extract<T, Readonly<Record<K, unknown>>> {
  return key in value;
}

/** A missing object is an empty one, as in protobuf. @throws Refused 400 */
export function object(value: unknown, what: string): Json {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new Refused(400, `${what} is not an object`);
  return value;
}

/** Longest list that is read. */
const LONGEST_LIST = 100_000;

/** A missing list is an empty one, as in protobuf. @throws Refused 400, 413 when it is too long */
export function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Refused(400, `${what} is not a list`);
  if (value.length > LONGEST_LIST) throw new Refused(413, `${what} has more than ${LONGEST_LIST} entries`);
  return value;
}

const [OBJECT, LIST, COMMA, QUOTE, BACKSLASH] = [...'{[,"\\'].map((sign) => sign.charCodeAt(0));

/** The mark that some senders write before text in UTF-8 (RFC 8259, section 8.1: a reader may ignore it). */
const BYTE_ORDER_MARK = '\ufeff';

/**
 * Reads JSON of at most `most` values. Small values may take a hundred times the memory of their bytes, so it counts them before it
 * makes any.
 *
 * @throws Refused 400 when the bytes are no JSON, 413 when they hold more values
 */
export function parseJson(bytes: Buffer, most: number): unknown {
  if (valuesIn(bytes, most) > most) throw new Refused(413, `expected at most ${most} values in one request`);
  const whole = bytes.toString('utf8');
  const value = valueIn(whole.startsWith(BYTE_ORDER_MARK) ? whole.slice(1) : whole);
  if (value === undefined) throw new Refused(400, 'the body is not JSON');
  return value;
}

/** An upper bound of the number of values: one more for each list, object and comma. Stops above `most`. */
function valuesIn(bytes: Buffer, most: number): number {
  let count = 1;
  for (let at = 0; at < bytes.length && count <= most; at++) {
    const byte = bytes[at];
    if (byte === OBJECT || byte === LIST || byte === COMMA) count++;
    else if (byte === QUOTE)
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
  }
  return count;
}

/** Text, empty when there is none; cut after `longest` characters. */
export function text(value: unknown, longest: number = Number.POSITIVE_INFINITY): string {
  return typeof value === 'string' ? value.slice(0, longest) : '';
}
