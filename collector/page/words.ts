import { type ResultTone, toneOfResult } from '../../src/lifecycle/tones.ts';
import type { Judgement } from '../../src/trace/model/judge.ts';
import type { Mark } from '../../src/trace/model/marks.ts';
import type { ReleaseSummary } from '../../src/trace/model/release-summary.ts';
import type { Verdict } from '../../src/trace/model/verdict.ts';

/** The tone of a word: that of a result, or `live` for one still to come. */
export type Tone = ResultTone | 'live';

/** A word and its tone. */
export interface Word {
  readonly text: string;
  readonly tone: Tone;
}

/** Moments in words. */
const MARK_WORDS: Readonly<Record<Mark, string>> = {
  trigger: 'trigger',
  told: 'all told',
  drained: 'drained',
  gone: 'gone',
  started: 'started',
  ready: 'ready',
  full_share: 'full share',
};

/** A start without an end counts as running for so long, in milliseconds. */
const LONGEST_START_MS = 900_000;

/** Longest shown result, in characters: ours are short, but anybody may have sent it. */
const LONGEST = 40;

/** A result of the trace with its tone. */
export function wordOf(result: string): Word {
  return { text: result.length > LONGEST ? `${result.slice(0, LONGEST)}…` : result, tone: toneOfResult(result) };
}

export function wordOfMark(mark: Mark): string {
  return MARK_WORDS[mark];
}

/** Whether a shutdown or a start whose root has not arrived may still be running. */
export function isRunning({ kind, result, startedAt }: Verdict, now: number): boolean {
  return result === 'missing' && startedAt > 0 && (kind === 'offline' || now < startedAt + LONGEST_START_MS);
}

/** The result of a shutdown or a start, or that it has none yet. */
export function outcomeOf(verdict: Verdict, now: number): Word {
  if (verdict.result !== 'missing') return wordOf(verdict.result);
  return isRunning(verdict, now)
    ? { text: verdict.kind === 'offline' ? 'leaving' : 'starting', tone: 'live' }
    : { text: 'no end', tone: 'bad' };
}

/** The result of a release, or that it has none yet. */
export function outcomeOfRelease(
  { verdict }: Judgement,
  { ended, leaving }: Pick<ReleaseSummary, 'ended' | 'leaving'>,
  unread: number,
): Word {
  if (unread > 0) return { text: 'reading', tone: 'live' };
  if (ended + leaving === 0) return { text: 'no shutdown', tone: 'plain' };
  return verdict === 'unknown' ? { text: 'running', tone: 'live' } : wordOf(verdict);
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, { month: 'short', day: '2-digit' });

/** A moment in the reader's time zone, with the day unless it is today. */
export function momentOf(ms: number, now: number): string {
  const [moment, today] = [new Date(ms), new Date(now)];
  const clock = CLOCK.format(moment);
  return moment.toDateString() === today.toDateString() ? clock : `${DAY.format(moment)} ${clock}`;
}
