import { isCounted, isLossless, type Verdict } from './verdict.ts';

/** How long after the end spans may arrive, in milliseconds: consumers send their own, and retry from their spool after 30 s. */
const SPANS_LATE_MS = 35_000;

/** What a release gate says. */
export interface Judgement {
  /** `lossless`: every shutdown was. `lossy`: at least one was not. `unknown`: too few traces, or one is incomplete so far. */
  readonly verdict: 'lossless' | 'lossy' | 'unknown';
  readonly reason: string;
}

/** A judgement and the shutdowns behind it. */
export interface Gate extends Judgement {
  readonly service: string;
  readonly shutdowns: readonly Verdict[];
}

/**
 * Whether all of these shutdowns were lossless, and there are as many as expected.
 *
 * @param now milliseconds since the Unix epoch
 * @param isComplete the store has no further shutdowns
 */
export function judge(verdicts: readonly Verdict[], now: number, expected = 1, isComplete = true): Judgement {
  const counted = verdicts.filter(isCounted);
  const uncounted = verdicts.length - counted.length;
  const aside =
    uncounted === 0 ? '' : `; shutdowns of instances that were never ready, which do not count: ${uncounted}`;
  const coming = counted.filter((each) => mayStillCome(each, now));
  const lossy = counted.filter((each) => !isLossless(each) && !coming.includes(each));
  if (lossy.length > 0)
    return { verdict: 'lossy', reason: `${lossy.length} of ${counted.length} shutdowns were not lossless${aside}` };
  if (!isComplete)
    return { verdict: 'unknown', reason: `the store has more shutdowns than the ${verdicts.length} that it sent` };
  if (coming.length > 0)
    return { verdict: 'unknown', reason: `spans of ${coming.length} of ${counted.length} shutdowns may still arrive` };
  if (counted.length < expected)
    return { verdict: 'unknown', reason: `expected ${expected} shutdowns, found ${counted.length}${aside}` };
  return { verdict: 'lossless', reason: `${counted.length} shutdowns, all lossless${aside}` };
}

/** Whether missing spans may still arrive: the end of a shutdown, or the rest of one that lost nothing so far. */
function mayStillCome(verdict: Verdict, now: number): boolean {
  const { durationMs, result, startedAt, whole: isWhole } = verdict;
  if (result === 'missing') return true;
  return !isWhole && isLossless({ ...verdict, whole: true }) && now < startedAt + durationMs + SPANS_LATE_MS;
}
