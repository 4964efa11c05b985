import type { JSX } from 'preact';
import { textsIn } from '../../src/json.ts';
import { ATTR, type SPANS, spanName } from '../../src/trace/model/schema.ts';
import { milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { PHASES } from '../../src/trace/model/verdict.ts';
import { addressesOf } from './addresses.tsx';
import { Badge } from './parts.tsx';
import { colourOf } from './phases.tsx';
import type { Row } from './rows.ts';
import { nameOf, resultOf, toneOf } from './span-words.ts';
import { wordOf } from './words.ts';

/** Folded consumers that are unfolded at a time. */
export const MORE = 250;

/** The shown part of time, in milliseconds since the Unix epoch. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The cells of a span: its name, bar, duration and result. */
export function SpanCells({
  row,
  range,
}: {
  readonly row: Row & { readonly kind: 'span' };
  readonly range: Range;
}): JSX.Element {
  const { depth, isOpen, refresh, span } = row;
  const name = nameOf(span);
  return (
    <>
      <td class="name" style={{ '--depth': depth }}>
        <span class={isOpen === undefined ? 'leaf' : isOpen ? 'fold open' : 'fold'} aria-hidden="true" />
        <span class="words" title={name}>
          {name}
        </span>
      </td>
      <td class="time">
        <span class={`bar ${phaseOf(span)} ${toneOf(span)}`} style={place(span, range)} />
        {refresh !== undefined && <span class="bar refresh" style={place(refresh, range)} />}
      </td>
      <td class="number">{milliseconds(span.durationMs)}</td>
      <td class="result">
        <Result span={span} refresh={refresh} />
      </td>
    </>
  );
}

/** The cell of folded consumers. */
export function MoreCells({ row }: { readonly row: Row & { readonly kind: 'more' } }): JSX.Element {
  return (
    <td class="name" colSpan={4} style={{ '--depth': row.depth }}>
      <span class="fold" aria-hidden="true" />
      <span class="words">
        {row.words}: show {Math.min(MORE, row.hidden)}
      </span>
    </td>
  );
}

function Result({ span, refresh }: { readonly span: Span; readonly refresh: Span | undefined }): JSX.Element {
  const { tags } = span;
  const result = resultOf(span);
  const protocols = textsIn(tags[ATTR.consumerProtocols]);
  const attempts = Number(tags[ATTR.attemptCount] ?? 1);
  const addresses = refresh ?? (isRefresh(span) ? span : undefined);
  const changed =
    addresses === undefined || addresses.tags[ATTR.refreshResult] === 'unused' ? undefined : addressesOf(addresses);
  const isGroup = span.name === spanName('notify') || span.name === spanName('notify.service');
  return (
    <>
      {result !== undefined && <Badge word={wordOf(result)} />}
      {isGroup && tags[ATTR.fanoutPlanned] !== undefined && (
        <span class="note">
          {tags[ATTR.fanoutAcked]} / {tags[ATTR.fanoutPlanned]} acked
        </span>
      )}
      {result === undefined && span.isError && !isGroup && (
        <Badge word={{ ...wordOf(String(tags[ATTR.errorType] ?? 'failed')), tone: 'bad' }} />
      )}
      {protocols.length > 0 && (
        <span class="note" title="by what it has called">
          {protocols.join(', ')}
        </span>
      )}
      {attempts > 1 && <span class="note">{attempts} attempts</span>}
      {changed !== undefined && (
        <span class="note" title="addresses before and after">
          {changed.countBefore} → {changed.countAfter}
        </span>
      )}
    </>
  );
}

/** Spans below the span `lossless.notify`. */
const NOTIFYING: readonly (keyof typeof SPANS)[] = ['notify.service', 'goaway', 'goaway.attempt', 'consumer.refresh'];

/** The class of a bar's colour, by its phase; the root and moments have none. */
function phaseOf({ name }: Span): string {
  const phase = [...PHASES.offline, ...PHASES.online].find((each) => name === spanName(each));
  if (phase !== undefined) return colourOf(phase);
  return NOTIFYING.some((work) => name === spanName(work)) ? colourOf('notify') : '';
}

export function isRefresh({ name }: Span): boolean {
  return name === spanName('consumer.refresh');
}

/** The place of a bar; its cell cuts off what lies outside of the range. */
function place({ start, durationMs }: Span, { from, to }: Range): { readonly left: string; readonly width: string } {
  const scale = 100 / Math.max(0.001, to - from);
  const left = Math.max(-1, (start - from) * scale);
  const right = Math.min(101, (start + durationMs - from) * scale);
  return { left: `min(${left}%, 100% - 2px)`, width: `${Math.max(0, right - left)}%` };
}
