import { isJson, list, object } from './json.ts';

/** The value of an attribute in OTLP/JSON: whole numbers are text, so that none loses digits. */
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

/** An attribute for Jaeger's user interface. */
export interface Tag {
  readonly key: string;
  readonly type: 'string' | 'bool' | 'int64' | 'float64' | 'binary';
  readonly value: string | number | boolean;
}

type NotFinite = 'NaN' | 'Infinity' | '-Infinity';

/** Deepest nesting of lists and maps; deeper ones become empty. */
const DEEPEST = 16;

/** A value inside a list or a map. */
type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** @throws Refused 400 */
export function readAttributes(attributes: unknown, depth = 0): readonly Attribute[] {
  return list(attributes, 'attributes').map((attribute) => {
    const { key, value } = object(attribute, 'an attribute');
    return { key: plainText(key), value: readValue(object(value, `the value of ${plainText(key)}`), depth) };
  });
}

/** A missing or null field means no value, as in ProtoJSON; a value that does not fit its field is kept as text. */
function readValue(value: Readonly<Record<string, unknown>>, depth: number): Value {
  for (const [field, read] of SCALARS) {
    const given = value[field];
    if (given != null) return read(given) ?? { stringValue: plainText(given) };
  }
  if (depth >= DEEPEST) return {};
  if (value['arrayValue'] != null) {
    const values = list(object(value['arrayValue'], 'arrayValue')['values'], 'values');
    return { arrayValue: { values: values.map((each) => readValue(object(each, 'a value'), depth + 1)) } };
  }
  if (value['kvlistValue'] != null)
    return {
      kvlistValue: { values: readAttributes(object(value['kvlistValue'], 'kvlistValue')['values'], depth + 1) },
    };
  return {};
}

/** Readers of the fields; undefined for a value that does not fit. */
const SCALARS = Object.entries<(value: unknown) => Value | undefined>({
  stringValue: () => undefined,
  boolValue: (value) => (typeof value === 'boolean' ? { boolValue: value } : undefined),
  intValue: (value) => {
    if (!/^-?\d{1,19}$/.test(String(value))) return undefined;
    const number = BigInt(String(value));
    return BigInt.asIntN(64, number) === number ? { intValue: String(number) } : undefined;
  },
  doubleValue: (value) => {
    if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return { doubleValue: value };
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof number === 'number' && Number.isFinite(number) ? { doubleValue: number } : undefined;
  },
  bytesValue: (value) => (typeof value === 'string' ? { bytesValue: value } : undefined),
});

/** Text as it is; any other value as JSON or in words. */
function plainText(value: unknown): string {
  if (value == null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** An attribute as Jaeger shows it: lists and maps as JSON, whole numbers that a JavaScript number cannot hold as text. */
export function tagOf({ key, value }: Attribute): Tag {
  if (isJson(value, 'boolValue')) return { key, type: 'bool', value: value.boolValue };
  if (isJson(value, 'intValue')) {
    const number = Number(value.intValue);
    return { key, type: 'int64', value: Number.isSafeInteger(number) ? number : value.intValue };
  }
  if (isJson(value, 'doubleValue')) return { key, type: 'float64', value: value.doubleValue };
  return { key, type: isJson(value, 'bytesValue') ? 'binary' : 'string', value: textOf(value) };
}

/** The text of a value, which searches compare. */
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
