import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import type { Verdict } from '../../src/trace/model/verdict.ts';

/** How a result is to be taken: good, not quite, bad, still to come, or neither. */
export type Tone = 'ok' | 'warn' | 'bad' | 'live' | 'plain';

/** A word and its tone. */
export interface Word {
  readonly text: string;
  readonly tone: Tone;
}

const TONES: Readonly<Record<string, Tone>> = {
  success: 'ok',
  incomplete: 'warn',
  timeout: 'bad',
  last_instance: 'bad',
  killed: 'bad',
  error: 'bad',
  acked: 'ok',
  refused: 'bad',
  rejected: 'bad',
  unreachable: 'bad',
  skipped: 'warn',
  confirmed: 'ok',
  unconfirmed: 'warn',
  failed: 'bad',
  drained: 'ok',
  refreshed: 'ok',
  stale: 'warn',
};

/** Longest time that a start is taken to run, in milliseconds. */
const LONGEST_START_MS = 900_000;

/** Longest result that is shown as a word, in characters: ours are short, but anybody may have sent it. */
const LONGEST = 40;

/** A result of the trace with its tone. */
export function wordOf(result: string): Word {
  return { text: result.length > LONGEST ? `${result.slice(0, LONGEST)}…` : result, tone: TONES[result] ?? 'plain' };
}

/** Attributes that say how the work of a span ended. */
const RESULTS = [
  ATTR.offlineResult,
  ATTR.onlineResult,
  ATTR.registerResult,
  ATTR.goawayResult,
  ATTR.refreshResult,
  ATTR.deregisterResult,
  ATTR.drainResult,
];

/** How the work of a span ended; undefined when it does not say it. */
export function resultOf({ tags }: Span): string | undefined {
  const value = RESULTS.map((name) => tags[name]).find((each) => each !== undefined);
  return value === undefined ? undefined : String(value);
}

/** The tone of a span that failed: that of its result, else whether the telling it stands for has reached some. */
export function toneOf(span: Span): Tone {
  if (!span.isError) return 'plain';
  const result = resultOf(span);
  if (result !== undefined) return TONES[result] === 'warn' ? 'warn' : 'bad';
  return Number(span.tags[ATTR.fanoutAcked] ?? 0) > 0 ? 'warn' : 'bad';
}

/** What a row is called: a consumer by its instance, a service by its name. */
export function nameOf({ name, service, tags }: Span): string {
  if (name === spanName('notify.service')) return String(tags[ATTR.peerService] ?? 'consumers');
  if (name === spanName('goaway')) return String(tags[ATTR.consumerInstanceId] ?? tags[ATTR.peerService] ?? 'consumer');
  if (name === spanName('goaway.attempt')) return `attempt ${Number(tags[ATTR.resendCount] ?? 0) + 1}`;
  if (name === spanName('consumer.refresh')) return `refresh in ${service}`;
  return name.startsWith('lossless.') ? name.slice('lossless.'.length) : `${service}: ${name}`;
}

/** Whether a shutdown or a start whose root has not arrived may still be running. */
export function isRunning({ kind, result, startedAt }: Verdict, now: number): boolean {
  return result === 'missing' && startedAt > 0 && (kind === 'offline' || now < startedAt + LONGEST_START_MS);
}

/** How a shutdown or a start ended, or that it has not. */
export function outcomeOf(verdict: Verdict, now: number): Word {
  if (verdict.result !== 'missing') return wordOf(verdict.result);
  return isRunning(verdict, now)
    ? { text: verdict.kind === 'offline' ? 'leaving' : 'starting', tone: 'live' }
    : { text: 'no end', tone: 'bad' };
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, { month: 'short', day: '2-digit' });

/** A moment in the reader's time, with the day when that is not today. */
export function momentOf(ms: number, now: number): string {
  const [moment, today] = [new Date(ms), new Date(now)];
  const clock = CLOCK.format(moment);
  return moment.toDateString() === today.toDateString() ? clock : `${DAY.format(moment)} ${clock}`;
}
