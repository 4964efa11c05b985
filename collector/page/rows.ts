import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';
import { type Branch, treeOf } from '../../src/trace/model/tree.ts';
import { nameOf } from './span-words.ts';
import type { View } from './view.ts';

/** One span, or a number of folded ones. `key` is unique in a trace and stays the same in the next answer. */
export type Row =
  | {
      readonly kind: 'span';
      readonly key: string;
      readonly depth: number;
      readonly span: Span;
      /** The refresh of the consumer after a GoAway. */
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

/** What a reader has searched for, opened, closed and expanded, by the keys of rows. */
export interface Folds extends Pick<View, 'find' | 'open' | 'told'> {
  readonly more: ReadonlyMap<string, number>;
}

/** Consumers of a service that are shown at first when none failed. */
const SHOWN = 10;

/** Rows of a trace from the top; consumers that failed come first. Rows with open details are always shown. */
export function rowsOf(spans: readonly Span[], folds: Folds): readonly Row[] {
  const tree = treeOf(spans);
  const text = folds.find.trim().toLowerCase();
  return [...new Rows(folds, above(spans, folds.told)).below('', text === '' ? tree : matching(tree, text), 0)];
}

class Rows {
  readonly #folds: Folds;
  readonly #above: ReadonlySet<string>;

  /** @param above spans that must be open, because a row below them has open details */
  constructor(folds: Folds, above: ReadonlySet<string>) {
    this.#folds = folds;
    this.#above = above;
  }

  *below(parent: string, branches: readonly Branch[], depth: number): Generator<Row> {
    const { more, told } = this.#folds;
    const consumers = branches.filter(({ span }) => span.name === spanName('goaway'));
    const failed = consumers.filter(({ span }) => span.isError).length;
    const first = (consumers.length <= SHOWN || failed === 0 ? SHOWN : failed) + (more.get(parent) ?? 0);
    const isKept = ({ span: { spanId } }: Branch): boolean => told.has(spanId) || this.#above.has(spanId);
    const hidden = new Set(consumers.slice(first).filter((consumer) => !isKept(consumer)));
    for (const branch of branches) if (!hidden.has(branch)) yield* this.#from(branch, depth);
    if (hidden.size > 0) yield { kind: 'more', key: parent, depth, hidden: hidden.size, words: resultsOf([...hidden]) };
  }

  *#from({ span, children }: Branch, depth: number): Generator<Row> {
    const key = span.spanId;
    const isOpen = children.length === 0 ? undefined : (this.#folds.open.get(key) ?? this.#opensFirst(span, children));
    yield { kind: 'span', key, depth, span, refresh: refreshOf(span, children), isOpen };
    if (isOpen) yield* this.below(key, children, depth + 1);
  }

  /** A service whose consumers were all told is folded into one row, unless they are few or searched for. */
  #opensFirst(span: Span, children: readonly Branch[]): boolean {
    if (this.#above.has(span.spanId)) return true;
    if (span.name === spanName('goaway')) return false;
    if (span.name !== spanName('notify.service') || children.length <= SHOWN) return true;
    return this.#folds.find !== '' || children.some((child) => child.span.isError);
  }
}

/** The branches that lead to a span with a text; everything below such a span stays. */
function matching(branches: readonly Branch[], text: string): readonly Branch[] {
  return branches.flatMap((branch) => {
    if (says(branch.span, text)) return [branch];
    const children = matching(branch.children, text);
    return children.length === 0 ? [] : [{ ...branch, children }];
  });
}

/** Whether a span has a text in its name, service, message, id or a value. */
function says(span: Span, text: string): boolean {
  const { message, service, spanId, tags } = span;
  return [nameOf(span), service, message, spanId, ...Object.values(tags)].some((value) =>
    String(value).toLowerCase().includes(text),
  );
}

/** The ids of all spans above the given ones. */
function above(spans: readonly Span[], ids: ReadonlySet<string>): ReadonlySet<string> {
  const parents = new Map(spans.map(({ parentSpanId, spanId }) => [spanId, parentSpanId]));
  const found = new Set<string>();
  for (const id of ids)
    for (let parent = parents.get(id); parent !== undefined && parent !== '' && !found.has(parent); ) {
      found.add(parent);
      parent = parents.get(parent);
    }
  return found;
}

function refreshOf({ name }: Span, children: readonly Branch[]): Span | undefined {
  if (name !== spanName('goaway')) return undefined;
  return children
    .flatMap((child) => [child, ...child.children])
    .find(({ span }) => span.name === spanName('consumer.refresh'))?.span;
}

/** The number of GoAways by result, in words. */
function resultsOf(goaways: readonly Branch[]): string {
  const byResult = Map.groupBy(goaways, ({ span }) => String(span.tags[ATTR.goawayResult]));
  return [...byResult].map(([result, those]) => `${those.length} more ${result}`).join(', ');
}
