import { createHash } from 'node:crypto';
import type { Target } from '../config/target.ts';

/** Longest name of a host that a label repeats, in characters. */
const LONGEST_HOST = 100;

/**
 * A name for where spans go that can stand in the name of a file: host and port for people, and a digest of URL and headers, so
 * that spans of one tenant are never sent as those of another. No credential can be read from it.
 */
export function targetLabel({ endpoint, headers }: Pick<Target, 'endpoint' | 'headers'>): string {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const whole = JSON.stringify([endpoint.href, ...named.sort(([one], [other]) => (one < other ? -1 : 1))]);
  const host = endpoint.host.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, LONGEST_HOST);
  return `${host}-${createHash('sha256').update(whole).digest('hex').slice(0, 12)}`;
}
