import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import { type Tone, wordOf } from './words.ts';

/** Attributes that hold the result of a span's work. */
const RESULTS = [
  ATTR.offlineResult,
  ATTR.onlineResult,
  ATTR.registerResult,
  ATTR.goawayResult,
  ATTR.refreshResult,
  ATTR.deregisterResult,
  ATTR.drainResult,
];

/** The result of a span's work; undefined when the span has none. */
export function resultOf({ tags }: Span): string | undefined {
  const value = RESULTS.map((name) => tags[name]).find((each) => each !== undefined);
  return value === undefined ? undefined : String(value);
}

/** The tone of a failed span: that of its result; without one, a service's depends on whether any consumer was told. */
export function toneOf(span: Span): Tone {
  if (!span.isError) return 'plain';
  const result = resultOf(span);
  if (result !== undefined) return wordOf(result).tone === 'warn' ? 'warn' : 'bad';
  return Number(span.tags[ATTR.fanoutAcked] ?? 0) > 0 ? 'warn' : 'bad';
}

/** The name of a row: a consumer's is its instance, a service's is its name. */
export function nameOf({ name, service, tags }: Span): string {
  if (name === spanName('notify.service')) return String(tags[ATTR.peerService] ?? 'consumers');
  if (name === spanName('goaway')) return String(tags[ATTR.consumerInstanceId] ?? tags[ATTR.peerService] ?? 'consumer');
  if (name === spanName('goaway.attempt')) return `attempt ${Number(tags[ATTR.resendCount] ?? 0) + 1}`;
  if (name === spanName('consumer.refresh')) return `refresh in ${service}`;
  return name.startsWith('lossless.') ? name.slice('lossless.'.length) : `${service}: ${name}`;
}
