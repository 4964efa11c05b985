import { textsIn } from '../json.ts';
import { ATTR, spanName } from '../trace/model/schema.ts';
import { milliseconds, type Span, type Trace } from '../trace/model/trace.ts';
import { type Branch, isFanout, treeOf } from '../trace/model/tree.ts';

/** Most consumers of one service that the tree shows in full; of more it shows the first few and those whose GoAway failed. */
const SHOWN = 10;

/** Longest text of one attribute beside a bar, in characters. */
const LONGEST_DETAIL = 60;

export interface WaterfallOptions {
  readonly width: number;
  readonly color: boolean;
}

/** A row: its depth, and either a span or a text for the spans that it folds. */
type Row = { readonly depth: number; readonly span: Span } | { readonly depth: number; readonly folded: string };

/** Attributes worth a place beside the bar, with the word that stands before them. */
const DETAILS: readonly (readonly [string, string])[] = [
  [ATTR.offlineResult, ''],
  [ATTR.peerService, ''],
  [ATTR.consumerProtocols, 'by '],
  [ATTR.goawayResult, ''],
  [ATTR.refreshResult, ''],
  [ATTR.deregisterResult, ''],
  [ATTR.drainResult, ''],
  [ATTR.addresses, ''],
  [ATTR.holdReason, 'hold: '],
  [ATTR.sessionsRetired, 'sessions retired: '],
  [ATTR.streamsEnded, 'streams ended: '],
];

/** Values that tell a reader nothing. */
const SILENT: ReadonlySet<unknown> = new Set([undefined, 'none', 0]);

/** A trace as lines of text: the tree, a bar for each span on one scale, its duration and what it says. */
export function waterfall({ spans }: Trace, { width, color }: WaterfallOptions): readonly string[] {
  const rows = [...rowsOf(treeOf(spans))];
  const begin = spans.reduce((first, span) => Math.min(first, span.start), Number.POSITIVE_INFINITY);
  const end = spans.reduce((last, span) => Math.max(last, span.start + span.durationMs), 0);
  const nameWidth = rows.reduce(
    (widest, row) => ('span' in row ? Math.max(widest, row.depth * 2 + shortName(row.span).length) : widest),
    0,
  );
  const barWidth = Math.max(16, Math.min(48, width - nameWidth - 44));
  const scale = barWidth / Math.max(1, end - begin);
  return rows.map((row) => {
    const indent = '  '.repeat(row.depth);
    if (!('span' in row)) return `${indent}${row.folded}`;
    const { span } = row;
    const from = Math.min(barWidth - 1, Math.floor((span.start - begin) * scale));
    const length = Math.max(1, Math.min(barWidth - from, Math.round(span.durationMs * scale)));
    const bar =
      `${' '.repeat(from)}${(span.durationMs === 0 ? '|' : '█').repeat(span.durationMs === 0 ? 1 : length)}`.padEnd(
        barWidth,
      );
    const name = `${indent}${shortName(span)}`.padEnd(nameWidth);
    const painted = color ? `\u001b[${span.isError ? 31 : 36}m${bar}\u001b[0m` : bar;
    return `${name} ${painted} ${milliseconds(span.durationMs).padStart(8)}  ${details(span)}${span.isError ? ` ! ${span.message}` : ''}`.trimEnd();
  });
}

/** Rows depth first; of a large fan-out those that failed and the first few. */
function* rowsOf(branches: readonly Branch[], depth = 0): Generator<Row> {
  const spans = branches.map((branch) => branch.span);
  const failed = spans.filter((span) => span.isError).length;
  const shown = isFanout(spans) ? Math.max(SHOWN, failed) : spans.length;
  for (const { span, children } of branches.slice(0, shown)) {
    yield { depth, span };
    yield* rowsOf(children, depth + 1);
  }
  if (shown < spans.length) yield { depth, folded: `… ${resultsOf(spans.slice(shown))}` };
}

/** The number of GoAways by result, in words. */
function resultsOf(goaways: readonly Span[]): string {
  const byResult = Map.groupBy(goaways, (span) => String(span.tags[ATTR.goawayResult]));
  return [...byResult].map(([result, spans]) => `${spans.length} more ${result}`).join(', ');
}

function shortName(span: Span): string {
  return span.name.replace(/^lossless\./, '');
}

function details({ tags, service, name }: Span): string {
  const words = DETAILS.flatMap(([attribute, word]) => {
    const tag = tags[attribute];
    const list = textsIn(tag);
    return SILENT.has(tag) ? [] : shortened(`${word}${list.length > 0 ? list.join(', ') : tag}`);
  });
  return [...(name === spanName('consumer.refresh') ? [`in ${service}`] : []), ...words].join(' ');
}

function shortened(text: string): string {
  return text.length > LONGEST_DETAIL ? `${text.slice(0, LONGEST_DETAIL - 1)}…` : text;
}
