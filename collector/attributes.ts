import { isJson, list, object, text } from './json.ts';
import { Refused } from './refused.ts';

/** The value of an attribute, as OTLP/JSON writes it: whole numbers are text, so that none loses digits. */
export type Value =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number | NotFinite }
  | { readonly bytesValue: string }
  | { readonly arrayValue: { readonly values: readonly Value[] } }
  | { readonly kvlistValue: { readonly values: readonly Attribute[] } }
  | Readonly<Record<string, never>>;

export interface Attribute {
  readonly key: string;
  readonly value: Value;
}

/** An attribute as Jaeger's user interface reads it. */
export interface Tag {
  readonly key: string;
  readonly type: 'string' | 'bool' | 'int64' | 'float64' | 'binary';
  readonly value: string | number | boolean;
}

type NotFinite = 'NaN' | 'Infinity' | '-Infinity';

/** Lists and maps inside each other, at the most; what is deeper becomes empty. */
const DEEPEST = 16;

/** What is inside a list or a map. */
type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** @throws Refused 400 */
export function readAttributes(attributes: unknown, depth = 0): readonly Attribute[] {
  return list(attributes, 'attributes').map((attribute) => {
    const { key, value } = object(attribute, 'an attribute');
    if (typeof key !== 'string') throw new Refused(400, 'an attribute has no key');
    return { key, value: readValue(object(value, `the value of ${key}`), depth) };
  });
}

function readValue(value: Readonly<Record<string, unknown>>, depth: number): Value {
  if (value['stringValue'] !== undefined) return { stringValue: text(value['stringValue']) };
  if (value['boolValue'] !== undefined) return { boolValue: value['boolValue'] === true };
  if (value['intValue'] !== undefined) return { intValue: integer(value['intValue']) };
  if (value['doubleValue'] !== undefined) return { doubleValue: double(value['doubleValue']) };
  if (value['bytesValue'] !== undefined) return { bytesValue: text(value['bytesValue']) };
  if (depth >= DEEPEST) return {};
  if (value['arrayValue'] !== undefined) {
    const values = list(object(value['arrayValue'], 'arrayValue')['values'], 'values');
    return { arrayValue: { values: values.map((each) => readValue(object(each, 'a value'), depth + 1)) } };
  }
  if (value['kvlistValue'] !== undefined)
    return {
      kvlistValue: { values: readAttributes(object(value['kvlistValue'], 'kvlistValue')['values'], depth + 1) },
    };
  return {};
}

function integer(value: unknown): string {
  if (!/^-?\d{1,19}$/.test(String(value))) throw new Refused(400, 'an intValue is not a whole number of 64 bits');
  const number = BigInt(String(value));
  if (BigInt.asIntN(64, number) !== number) throw new Refused(400, 'an intValue is not a whole number of 64 bits');
  return String(number);
}

function double(value: unknown): number | NotFinite {
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return value;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) throw new Refused(400, 'a doubleValue is not a number');
  return number;
}

/** How Jaeger shows an attribute: lists and maps as JSON, whole numbers that a JavaScript number cannot hold as text. */
export function tagOf({ key, value }: Attribute): Tag {
  if (isJson(value, 'boolValue')) return { key, type: 'bool', value: value.boolValue };
  if (isJson(value, 'intValue')) {
    const number = Number(value.intValue);
    return { key, type: 'int64', value: Number.isSafeInteger(number) ? number : value.intValue };
  }
  if (isJson(value, 'doubleValue')) return { key, type: 'float64', value: value.doubleValue };
  return { key, type: isJson(value, 'bytesValue') ? 'binary' : 'string', value: textOf(value) };
}

/** The text of a value; searches compare it. */
export function textOf(value: Value): string {
  const plain = plainOf(value);
  if (plain === null) return '';
  if (isJson(value, 'intValue')) return value.intValue;
  return typeof plain === 'object' ? JSON.stringify(plain) : String(plain);
}

function plainOf(value: Value): Plain {
  if (isJson(value, 'arrayValue')) return value.arrayValue.values.map(plainOf);
  if (isJson(value, 'kvlistValue'))
    return Object.fromEntries(value.kvlistValue.values.map((entry) => [entry.key, plainOf(entry.value)]));
  if (isJson(value, 'intValue')) return Number(value.intValue);
  return Object.values(value)[0] ?? null;
}
