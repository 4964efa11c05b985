import { LosslessError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration with its unit, in milliseconds; undefined for any other text. */
export function durationOf(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNITS[unit] ?? 0);
}

/** Checked first, because `Date.parse` takes nearly everything: `10` would be the year 2001. */
const ISO_DATE = /^\d{4}-\d{2}-\d{2}/;

/**
 * The time that `--since` names: milliseconds since the Unix epoch.
 *
 * @throws LosslessError LOSSLESS_USAGE
 */
export function beginOf(since: string, now: number): number {
  const ago = durationOf(since);
  const date = ISO_DATE.test(since) ? Date.parse(since) : Number.NaN;
  const begin = ago === undefined ? date : now - ago;
  if (Number.isNaN(begin))
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `--since must be a time (ISO 8601) or a duration like 90s, 10m, 2h, 1d, received ${since}`,
    );
  if (begin > now)
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `--since must not be in the future, received ${since}; without a zone a time is local`,
    );
  return begin;
}
