import { createHash } from 'node:crypto';
import type { Target } from '../config/target.ts';

/** Longest host name in a label, in characters. */
const LONGEST_HOST = 100;

/**
 * A label of a target that fits into a file name: host and port for people, and a digest of URL and headers, so that one tenant's
 * spans are never sent as another's. It reveals no credential.
 */
export function targetLabel({ endpoint, headers }: Pick<Target, 'endpoint' | 'headers'>): string {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const whole = JSON.stringify([endpoint.href, ...named.sort(([one], [other]) => (one < other ? -1 : 1))]);
  const host = endpoint.host.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, LONGEST_HOST);
  return `${host}-${createHash('sha256').update(whole).digest('hex').slice(0, 12)}`;
}
