import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import { type Branch, treeOf } from '../../src/trace/model/tree.ts';

/** One span, or how many are folded. `key` is unique in a trace and the same in the next answer. */
export type Row =
  | {
      readonly kind: 'span';
      readonly key: string;
      readonly depth: number;
      readonly span: Span;
      /** What the consumer did because of a GoAway. */
      readonly refresh: Span | undefined;
      /** Undefined when there is nothing below. */
      readonly isOpen: boolean | undefined;
    }
  | {
      readonly kind: 'more';
      readonly key: string;
      readonly depth: number;
      readonly hidden: number;
      readonly words: string;
    };

/** What a reader has opened, closed and asked more of, by the keys of rows. */
export interface Folds {
  readonly open: ReadonlyMap<string, boolean>;
  readonly more: ReadonlyMap<string, number>;
}

/** Consumers of a service that are shown at first when none of them failed. */
const SHOWN = 10;

/** Rows of a trace from the top; of consumers those that failed come first. */
export function rowsOf(spans: readonly Span[], folds: Folds): readonly Row[] {
  return [...rowsBelow('', treeOf(spans), 0, folds)];
}

function* rowsBelow(parent: string, branches: readonly Branch[], depth: number, folds: Folds): Generator<Row> {
  const consumers = branches.filter(({ span }) => span.name === spanName('goaway'));
  const failed = consumers.filter(({ span }) => span.isError).length;
  const first = consumers.length <= SHOWN || failed === 0 ? SHOWN : failed;
  const shown = new Set(consumers.slice(0, first + (folds.more.get(parent) ?? 0)));
  for (const branch of branches)
    if (branch.span.name !== spanName('goaway') || shown.has(branch)) yield* rowsFrom(branch, depth, folds);
  if (shown.size < consumers.length) {
    const hidden = consumers.filter((branch) => !shown.has(branch));
    yield { kind: 'more', key: parent, depth, hidden: hidden.length, words: resultsOf(hidden) };
  }
}

function* rowsFrom({ span, children }: Branch, depth: number, folds: Folds): Generator<Row> {
  const key = span.spanId;
  const isOpen = children.length === 0 ? undefined : (folds.open.get(key) ?? opensFirst(span, children));
  yield { kind: 'span', key, depth, span, refresh: refreshOf(span, children), isOpen };
  if (isOpen) yield* rowsBelow(key, children, depth + 1, folds);
}

/** A service whose consumers were all told is one row, unless they are few. */
function opensFirst(span: Span, children: readonly Branch[]): boolean {
  if (span.name === spanName('goaway')) return false;
  return (
    span.name !== spanName('notify.service') || children.length <= SHOWN || children.some((child) => child.span.isError)
  );
}

function refreshOf({ name }: Span, children: readonly Branch[]): Span | undefined {
  if (name !== spanName('goaway')) return undefined;
  return children
    .flatMap((child) => [child, ...child.children])
    .find(({ span }) => span.name === spanName('consumer.refresh'))?.span;
}

/** How many GoAways ended how, in words. */
function resultsOf(goaways: readonly Branch[]): string {
  const byResult = Map.groupBy(goaways, ({ span }) => String(span.tags[ATTR.goawayResult]));
  return [...byResult].map(([result, those]) => `${those.length} more ${result}`).join(', ');
}
