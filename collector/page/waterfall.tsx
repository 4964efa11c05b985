import { Fragment, type JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { textsIn } from '../../src/json.ts';
import { ATTR, type SPANS, spanName } from '../../src/trace/model/schema.ts';
import { milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { PHASES } from '../../src/trace/model/verdict.ts';
import { addressesOf } from './addresses.tsx';
import { Details } from './details.tsx';
import { Badge } from './parts.tsx';
import { colourOf, phaseTimes } from './phases.tsx';
import { type Folds, type Row, rowsOf } from './rows.ts';
import { type Tone, wordOf } from './words.ts';

/** Folded consumers that are added at a time. */
const MORE = 250;

/** Labels of the time axis, at these parts of it. */
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** A part of time that is shown, in milliseconds since the Unix epoch. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** A trace as rows on one scale. Rows open and close, and each tells all of its span. */
export function Waterfall({ spans }: { readonly spans: readonly Span[] }): JSX.Element {
  const [folds, setFolds] = useState<Folds>({ open: new Map(), more: new Map() });
  const [told, setTold] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState('');
  const [zoom, setZoom] = useState('');
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = useMemo(() => rowsOf(spans, folds), [spans, folds]);
  const whole = useMemo(() => rangeOf(spans), [spans]);
  const phases = phaseTimes(spans);
  const range = phases.find(({ phase }) => phase === zoom) ?? whole;
  const current = rows.find((row) => keyOf(row) === active) ?? rows[0];

  const fold = (row: Row, isOpen: boolean): void => {
    if (row.kind === 'span' && row.isOpen !== undefined)
      setFolds({ ...folds, open: new Map(folds.open).set(row.key, isOpen) });
  };
  const act = (row: Row): void => {
    if (row.kind === 'span') setTold(toggled(told, row.key));
    else setFolds({ ...folds, more: new Map(folds.more).set(row.key, (folds.more.get(row.key) ?? 0) + MORE) });
  };
  const focus = (row: Row | undefined): void => {
    if (row === undefined) return;
    setActive(keyOf(row));
    const element = [...(body.current?.children ?? [])].find(
      (each) => (each as HTMLElement).dataset['key'] === keyOf(row),
    );
    (element as HTMLElement | undefined)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // Keys inside the details of a row are theirs.
    if (current === undefined || !(event.target instanceof HTMLElement) || event.target.dataset['key'] === undefined)
      return;
    const index = rows.indexOf(current);
    const keys: Readonly<Record<string, () => void>> = {
      ArrowDown: () => focus(rows[index + 1]),
      ArrowUp: () => focus(rows[index - 1]),
      Home: () => focus(rows[0]),
      End: () => focus(rows.at(-1)),
      ArrowRight: () => (isClosed(current) ? fold(current, true) : focus(rows[index + 1])),
      ArrowLeft: () => (isOpened(current) ? fold(current, false) : focus(parentOf(rows, index))),
      Enter: () => act(current),
      ' ': () => act(current),
    };
    const done = keys[event.key];
    if (done === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    done();
  };

  return (
    <section class="waterfall" aria-label="waterfall">
      <header>
        <h2>Waterfall</h2>
        <fieldset class="zoom">
          <legend>time</legend>
          {['', ...phases.map(({ phase }) => phase)].map((phase) => (
            <label key={phase}>
              <input type="radio" name="zoom" value={phase} checked={zoom === phase} onChange={() => setZoom(phase)} />
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
                  {milliseconds(range.from - whole.from + tick * (range.to - range.from))}
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
                tabIndex={row === current ? 0 : -1}
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
              {row.kind === 'span' && told.has(row.key) && (
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

function SpanCells({
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

function MoreCells({ row }: { readonly row: Row & { readonly kind: 'more' } }): JSX.Element {
  return (
    <td class="name" colSpan={4} style={{ '--depth': row.depth }}>
      <span class="fold" aria-hidden="true" />
      <span class="words">
        {row.words}: show {Math.min(MORE, row.hidden)}
      </span>
    </td>
  );
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

function Result({ span, refresh }: { readonly span: Span; readonly refresh: Span | undefined }): JSX.Element {
  const { tags } = span;
  const result = RESULTS.map((name) => tags[name]).find((value) => value !== undefined);
  const protocols = textsIn(tags[ATTR.consumerProtocols]);
  const attempts = Number(tags[ATTR.attemptCount] ?? 1);
  const addresses = refresh ?? (isRefresh(span) ? span : undefined);
  const changed =
    addresses === undefined || addresses.tags[ATTR.refreshResult] === 'unused' ? undefined : addressesOf(addresses);
  const isGroup = span.name === spanName('notify') || span.name === spanName('notify.service');
  return (
    <>
      {result !== undefined && <Badge word={wordOf(String(result))} />}
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

/** What a row is called: a consumer by its instance, a service by its name. */
function nameOf({ name, service, tags }: Span): string {
  if (name === spanName('notify.service')) return String(tags[ATTR.peerService] ?? 'consumers');
  if (name === spanName('goaway')) return String(tags[ATTR.consumerInstanceId] ?? tags[ATTR.peerService] ?? 'consumer');
  if (name === spanName('goaway.attempt')) return `attempt ${Number(tags[ATTR.resendCount] ?? 0) + 1}`;
  if (name === spanName('consumer.refresh')) return `refresh in ${service}`;
  return name.startsWith('lossless.') ? name.slice('lossless.'.length) : `${service}: ${name}`;
}

/** A shutdown that left safely, though not everybody was told, has not failed, nor has the telling of all. */
function toneOf({ isError, tags }: Span): Tone {
  if (!isError) return 'plain';
  const isPartly = tags[ATTR.offlineResult] === 'incomplete' || Number(tags[ATTR.fanoutAcked] ?? 0) > 0;
  return isPartly ? 'warn' : 'bad';
}

/** Spans below that of telling the consumers. */
const NOTIFYING: readonly (keyof typeof SPANS)[] = ['notify.service', 'goaway', 'goaway.attempt', 'consumer.refresh'];

/** The phase whose colour a bar has; the root and moments have none. */
function phaseOf({ name }: Span): string {
  const phase = [...PHASES.offline, ...PHASES.online].find((each) => name === spanName(each));
  if (phase !== undefined) return colourOf(phase);
  return NOTIFYING.some((work) => name === spanName(work)) ? colourOf('notify') : '';
}

function isRefresh({ name }: Span): boolean {
  return name === spanName('consumer.refresh');
}

function rangeOf(spans: readonly Span[]): Range {
  const from = spans.reduce((first, span) => Math.min(first, span.start), Number.POSITIVE_INFINITY);
  const to = spans.reduce((last, span) => Math.max(last, span.start + span.durationMs), 0);
  return { from, to: Math.max(to, from + 0.001) };
}

/** Where a bar is; what lies outside of the range is cut off by its cell. */
function place({ start, durationMs }: Span, { from, to }: Range): { readonly left: string; readonly width: string } {
  const scale = 100 / Math.max(0.001, to - from);
  const left = Math.max(-1, (start - from) * scale);
  const right = Math.min(101, (start + durationMs - from) * scale);
  return { left: `min(${left}%, 100% - 2px)`, width: `${Math.max(0, right - left)}%` };
}

function keyOf({ key, kind }: Row): string {
  return `${kind}:${key}`;
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

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const changed = new Set(set);
  if (!changed.delete(key)) changed.add(key);
  return changed;
}
