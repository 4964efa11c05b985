import { objectIn } from '../../src/json.ts';
import { Refused } from './refused.ts';

/** The units of a duration in Go, in microseconds. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 0.001,
  us: 1,
  µs: 1,
  μs: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
};

/** A whole number, undefined when the parameter is missing or empty. @throws Refused 400 */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  if (!/^[+-]?\d{1,18}$/.test(text)) throw malformed(name, 'a whole number', text);
  return Number(text);
}

/** A duration such as `800ms` or `1m30s`, in microseconds. @throws Refused 400 */
export function duration(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  const [, sign, length = ''] = /^([+-]?)(.{1,64})$/.exec(text) ?? [];
  const parts = [...length.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)];
  if (length !== '0' && (parts.length === 0 || parts.map(([part]) => part).join('') !== length))
    throw malformed(name, 'a duration such as 800ms', text);
  const sum = parts.reduce((total, [, value, unit]) => total + Number(value) * (UNITS[unit ?? ''] ?? 0), 0);
  return sign === '-' ? -sum : sum;
}

/** A moment in the form of RFC 3339, in microseconds since the Unix epoch. @throws Refused 400 */
export function moment(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  const [, seconds, fraction = '', zone] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms)) throw malformed(name, 'a time such as 2026-01-31T12:00:00Z', text);
  return ms * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** `tags={"key":"value"}` with text only, and `tag=key:value`; both may be repeated. @throws Refused 400 */
export function tags(query: URLSearchParams): Readonly<Record<string, string>> {
  const pairs = query.getAll('tag').map((pair) => {
    const at = pair.indexOf(':');
    if (at < 0) throw malformed('tag', 'key:value', pair);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return Object.fromEntries([...pairs, ...query.getAll('tags').flatMap(tagsOf)]);
}

function tagsOf(text: string): readonly (readonly [string, string])[] {
  const entries = Object.entries(objectIn(text) ?? {});
  if (entries.length === 0 && text.trim() !== '{}') throw malformed('tags', 'a JSON object', text);
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
    throw malformed('tags', 'a JSON object whose values are text', text);
  return entries;
}

function malformed(name: string, expected: string, received: string): Refused {
  return new Refused(400, `unable to parse param '${name}': expected ${expected}, received ${received.slice(0, 64)}`);
}
