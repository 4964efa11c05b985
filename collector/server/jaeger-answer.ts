import { Refused } from './refused.ts';

/** An answer of the query API. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** Most traces of one answer. */
const MOST_TRACES = 10_000;

/** The stored form of a trace id of 1 to 32 digits. @throws Refused 400 */
export function traceIdOf(id: string): string {
  if (!/^[0-9a-f]{1,32}$/i.test(id))
    throw new Refused(400, `a trace id is 1 to 32 hexadecimal digits, received ${id.slice(0, 64)}`);
  return id.toLowerCase().padStart(32, '0');
}

/** The number of traces to find. @throws Refused 500, like Jaeger, when it is not a positive number */
export function searchDepth(limit: number): number {
  if (limit < 1) throw new Refused(500, 'search depth must be greater than 0');
  return Math.min(limit, MOST_TRACES);
}
