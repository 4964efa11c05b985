import { Refused } from './refused.ts';

/** An object whose fields are not known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether an object of a union is the one with this field. */
export function isJson<T extends object, K extends string>(
  value: T,
  key: K,
): value is Extract<T, Readonly<Record<K, unknown>>> {
  return key in value;
}

/** A missing object is an empty one, as in protobuf. @throws Refused 400 */
export function object(value: unknown, what: string): Json {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new Refused(400, `${what} is not an object`);
  return value as Json;
}

/** A missing list is an empty one, as in protobuf. @throws Refused 400 */
export function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Refused(400, `${what} is not a list`);
  return value;
}

/** Text, empty when there is none; cut after `longest` characters. */
export function text(value: unknown, longest: number = Number.POSITIVE_INFINITY): string {
  return typeof value === 'string' ? value.slice(0, longest) : '';
}
