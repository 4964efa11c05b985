import { Fragment, type JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { counted, milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { Details } from './details.tsx';
import { phaseTimes } from './phases.tsx';
import { toggled, useRows } from './row-focus.ts';
import { type Row, rowsOf } from './rows.ts';
import { isRefresh, MORE, MoreCells, type Range, SpanCells } from './span-row.tsx';
import { toneOf } from './span-words.ts';
import { queryOf, readView, type View } from './view.ts';

/** Positions of the time axis's labels, as parts of it. */
const TICKS = [0, 0.25, 0.5, 0.75, 1];

interface WaterfallProps {
  readonly spans: readonly Span[];
  /** Now, while the shutdown or start runs, milliseconds since the Unix epoch: the axis ends there. */
  readonly until?: number | undefined;
}

/** A trace as rows on one scale. Rows open and close, and each can show all of its span. The address keeps these choices. */
export function Waterfall({ spans, until = 0 }: WaterfallProps): JSX.Element {
  const [view, setView] = useState(() => readView(location.search));
  const [more, setMore] = useState<ReadonlyMap<string, number>>(new Map());
  const rows = useMemo(() => rowsOf(spans, { ...view, more }), [spans, view, more]);
  const whole = useMemo(() => rangeOf(spans), [spans]);
  const phases = phaseTimes(spans);
  const all = { ...whole, to: Math.max(whole.to, until) };
  const range = phases.find(({ phase }) => phase === view.zoom) ?? all;
  const found = view.find.trim() === '' ? undefined : rows.filter(({ kind }) => kind === 'span').length;

  const change = (changed: Partial<View>): void => {
    const next = { ...view, ...changed };
    history.replaceState(null, '', `${location.pathname}${queryOf(next)}`);
    setView(next);
  };
  const fold = (row: Row, isOpen: boolean): void => {
    if (row.kind === 'span' && row.isOpen !== undefined) change({ open: new Map(view.open).set(row.key, isOpen) });
  };
  const act = (row: Row): void => {
    if (row.kind === 'span') change({ told: toggled(view.told, row.key) });
    else setMore(new Map(more).set(row.key, (more.get(row.key) ?? 0) + MORE));
  };
  const { body, focus, isCurrent, onKeyDown, setActive } = useRows(rows.map(keyOf), (key) => {
    const index = rows.findIndex((row) => keyOf(row) === key);
    const row = rows[index];
    if (row === undefined) return {};
    return {
      ArrowRight: () => (isClosed(row) ? fold(row, true) : focus(keyAt(rows[index + 1]))),
      ArrowLeft: () => (isOpened(row) ? fold(row, false) : focus(keyAt(parentOf(rows, index)))),
      Enter: () => act(row),
      ' ': () => act(row),
    };
  });
  useEffect(() => {
    // Scroll to the row that a link names.
    const [first] = body.current?.getElementsByClassName('told') ?? [];
    first?.previousElementSibling?.scrollIntoView({ block: 'center' });
  }, []);

  return (
    <section class="waterfall" aria-label="waterfall">
      <header>
        <h2>Waterfall</h2>
        <label class="find">
          find
          <input
            type="search"
            name="find"
            value={view.find}
            placeholder="consumer or address"
            onInput={(event) => change({ find: event.currentTarget.value })}
          />
        </label>
        {found !== undefined && <span class="note">{found === 0 ? 'nothing' : counted(found, 'row')}</span>}
        <fieldset class="zoom">
          <legend>time</legend>
          {['', ...phases.map(({ phase }) => phase)].map((phase) => (
            <label key={phase}>
              <input
                type="radio"
                name="zoom"
                value={phase}
                checked={view.zoom === phase}
                onChange={() => change({ zoom: phase })}
              />
              <span>{phase || 'all'}</span>
            </label>
          ))}
        </fieldset>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: HTML allows it, and a reader without scripts sees a table. */}
      <table role="treegrid" aria-label="spans">
        <thead>
          <tr>
            <th scope="col">Span</th>
            <th scope="col" class="axis">
              {TICKS.map((tick) => (
                <span key={tick} class="tick" style={{ left: `${tick * 100}%` }}>
                  {milliseconds(range.from - all.from + tick * (range.to - range.from))}
                </span>
              ))}
            </th>
            <th scope="col" class="number">
              Took
            </th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={onKeyDown}>
          {rows.map((row) => (
            <Fragment key={keyOf(row)}>
              <tr
                data-key={keyOf(row)}
                class={row.kind === 'span' ? `span ${toneOf(row.span)}` : 'more'}
                tabIndex={isCurrent(keyOf(row)) ? 0 : -1}
                aria-level={row.depth + 1}
                aria-expanded={row.kind === 'span' ? row.isOpen : undefined}
                onFocus={() => setActive(keyOf(row))}
                onClick={(event) => {
                  if ((event.target as Element).closest('.fold') !== null) fold(row, isClosed(row));
                  else act(row);
                }}
              >
                {row.kind === 'span' ? <SpanCells row={row} range={range} /> : <MoreCells row={row} />}
              </tr>
              {row.kind === 'span' && view.told.has(row.key) && (
                <tr class="told">
                  <td colSpan={4}>
                    <Details span={row.span} refresh={isRefresh(row.span) ? row.span : row.refresh} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function rangeOf(spans: readonly Span[]): Range {
  const from = spans.reduce((first, span) => Math.min(first, span.start), Number.POSITIVE_INFINITY);
  const to = spans.reduce((last, span) => Math.max(last, span.start + span.durationMs), 0);
  return { from, to: Math.max(to, from + 0.001) };
}

function keyOf({ key, kind }: Row): string {
  return `${kind}:${key}`;
}

function keyAt(row: Row | undefined): string | undefined {
  return row && keyOf(row);
}

function isClosed(row: Row): boolean {
  return row.kind === 'span' && row.isOpen === false;
}

function isOpened(row: Row): boolean {
  return row.kind === 'span' && row.isOpen === true;
}

function parentOf(rows: readonly Row[], index: number): Row | undefined {
  const depth = rows[index]?.depth ?? 0;
  return rows.slice(0, index).findLast((row) => row.depth < depth);
}
