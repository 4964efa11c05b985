import { timingSafeEqual } from 'node:crypto';

/** Whether two secrets are the same text; how long it takes tells nothing but their length. */
export function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
