/** An origin as text, from any form that undici accepts; undefined for other values. */
export function originOf(origin: unknown): string | undefined {
  if (typeof origin === 'string') return origin;
  return origin instanceof URL ? origin.origin : undefined;
}

/** `host:port` of an origin. */
export function authorityOf(origin: string): string {
  const start = origin.indexOf('://') + 3;
  const end = origin.indexOf('/', start);
  return end < 0 ? origin.slice(start) : origin.slice(start, end);
}
