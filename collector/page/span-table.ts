import { ATTR } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import type { Table } from './save.ts';
import { resultOf } from './span-words.ts';

/** Columns of a table of spans, and the value of each. */
const COLUMNS: readonly (readonly [string, (span: Span) => string | number])[] = [
  ['start', ({ start }) => new Date(start).toISOString()],
  ['took_ms', ({ durationMs }) => durationMs],
  ['span', ({ name }) => name],
  ['service', ({ service }) => service],
  ['instance', ({ tags }) => String(tags[ATTR.instanceId] ?? '')],
  ['consumer_service', ({ tags }) => String(tags[ATTR.peerService] ?? '')],
  ['consumer', ({ tags }) => String(tags[ATTR.consumerInstanceId] ?? '')],
  ['result', (span) => resultOf(span) ?? ''],
  ['failed', ({ isError }) => String(isError)],
  ['message', ({ message }) => message],
  ['span_id', ({ spanId }) => spanId],
  ['parent_span_id', ({ parentSpanId }) => parentSpanId],
];

/** The spans of a trace as a table. */
export function spanTable(spans: readonly Span[]): Table {
  return [COLUMNS.map(([name]) => name), ...spans.map((span) => COLUMNS.map(([, read]) => read(span)))];
}
