import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import { type Tone, wordOf } from './words.ts';

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
  if (result !== undefined) return wordOf(result).tone === 'warn' ? 'warn' : 'bad';
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
