import { Fragment, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { KILLED } from '../../src/lifecycle/outcomes.ts';
import { MARKS } from '../../src/trace/model/marks.ts';
import type { Lane } from '../../src/trace/model/release-summary.ts';
import { isLossy } from '../../src/trace/model/release-summary.ts';
import type { Shown } from '../../src/trace/model/shown.ts';
import { milliseconds } from '../../src/trace/model/trace.ts';
import { Badge } from './parts.tsx';
import { LaneDetails } from './release-lane-details.tsx';
import { type Series, servedBy } from './release-series.ts';
import { type Axis, percentOf } from './release-traffic.tsx';
import { toggled, useRows } from './row-focus.ts';
import { outcomeOf, wordOfMark } from './words.ts';

interface LanesProps {
  readonly lanes: readonly Lane<Shown>[];
  readonly series: readonly Series[];
  readonly axis: Axis;
  readonly now: number;
  readonly hrefOf: (traceId: string) => string;
}

/** One row for each instance: old ones, then new ones. An opened row shows all of its moments. */
export function Lanes({ lanes, series, axis, now, hrefOf }: LanesProps): JSX.Element {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (key: string): void => setOpen(toggled(open, key));
  const rows = useRows(
    lanes.map(({ key }) => key),
    (key) => ({
      Enter: () => toggle(key),
      ' ': () => toggle(key),
      ArrowRight: () => open.has(key) || toggle(key),
      ArrowLeft: () => open.has(key) && toggle(key),
    }),
  );
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: HTML allows it, and a reader without scripts sees a table. */}
      <table role="treegrid" aria-label="instances" class="instances">
        <thead>
          <tr>
            <th scope="col">Instance</th>
            <th scope="col" class="course">
              <MarkLegend />
            </th>
            <th scope="col" class="number">
              Acked
            </th>
            <th scope="col" class="number">
              Took
            </th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody ref={rows.body} onKeyDown={rows.onKeyDown}>
          {lanes.map((lane, index) => (
            <Fragment key={lane.key}>
              {lane.isNew !== lanes[index - 1]?.isNew && (
                <tr class="side">
                  <th colSpan={5} scope="rowgroup">
                    {lanes.filter(({ isNew }) => isNew === lane.isNew).length} {lane.isNew ? 'new' : 'old'}
                  </th>
                </tr>
              )}
              <tr
                data-key={lane.key}
                class={lane.passages.some(isLossy) ? 'bad' : ''}
                tabIndex={rows.isCurrent(lane.key) ? 0 : -1}
                aria-level={1}
                aria-expanded={open.has(lane.key)}
                onFocus={() => rows.setActive(lane.key)}
                onClick={(event) => {
                  if ((event.target as Element).closest('a') === null) toggle(lane.key);
                }}
              >
                <LaneCells lane={lane} tone={toneOf(lane, series)} axis={axis} now={now} hrefOf={hrefOf} />
              </tr>
              {open.has(lane.key) && (
                <tr class="told">
                  <td colSpan={5}>
                    <LaneDetails lane={lane} now={now} hrefOf={hrefOf} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </>
  );
}

type LaneProps = Pick<LanesProps, 'axis' | 'now' | 'hrefOf'> & { readonly lane: Lane<Shown>; readonly tone: string };

function LaneCells({ lane, tone, axis, now, hrefOf }: LaneProps): JSX.Element {
  const main = mainOf(lane);
  const isStop = main.kind === 'offline';
  return (
    <>
      <td class="name">
        <a href={hrefOf(main.traceId)} title={main.instanceId} tabIndex={-1}>
          {main.instanceId || 'unknown'}
        </a>
      </td>
      <td class="course">
        <Course lane={lane} tone={tone} axis={axis} now={now} />
      </td>
      <td class="number acked">{isStop && main.result !== 'missing' ? `${main.acked} / ${main.planned}` : ''}</td>
      <td class="number">{tookOf(main)}</td>
      <td class="result">
        <Badge word={outcomeOf(main, now)} />
      </td>
    </>
  );
}

/** When an instance served, how it came and how it left. */
function Course({ lane, tone, axis, now }: Omit<LaneProps, 'hrefOf'>): JSX.Element {
  const at = (ms: number): string => `${percentOf(ms, axis)}%`;
  const width = (from: number, to: number): string => `${percentOf(to, axis) - percentOf(from, axis)}%`;
  const { passages } = lane;
  const served = servedBy(lane, axis.from, axis.to);
  return (
    <span class="lane" role="img" aria-label={wordsOf(passages, axis.origin)}>
      {served.map(([from, to]) => (
        <span key={from} class={`served ${tone}`} style={{ left: at(from), width: width(from, to) }} />
      ))}
      {passages.map(({ durationMs, kind, marks, result, startedAt, traceId }) => {
        const end = result === 'missing' ? now : startedAt + durationMs;
        const [begin, until] = kind === 'online' ? [marks.ready ?? end, end] : [startedAt, end];
        return (
          <Fragment key={traceId}>
            {kind === 'online' && (
              <span class="starting" style={{ left: at(startedAt), width: width(startedAt, begin) }} />
            )}
            <span
              class={kind === 'online' ? `warming ${tone}` : `leaving ${result}`}
              style={{ left: at(begin), width: width(begin, until) }}
            />
            {MARKS[kind].map((mark) => {
              const moment = marks[mark];
              return moment === undefined ? null : (
                <span key={mark} class={`mark ${mark}`} style={{ left: at(moment) }} />
              );
            })}
            {kind === 'offline' && result !== 'missing' && marks.gone === undefined && (
              <span class={`mark ${result === 'cancelled' ? 'undone' : 'lost'}`} style={{ left: at(end) }} />
            )}
          </Fragment>
        );
      })}
    </span>
  );
}

/** The main passage of a lane: one that lost something, else the start of a new instance or the last passage of an old one. */
function mainOf({ isNew, passages }: Lane<Shown>): Shown {
  return passages.find(isLossy) ?? (isNew ? passages[0] : (passages.at(-1) ?? passages[0]));
}

function toneOf({ isNew, passages: [first] }: Lane<Shown>, series: readonly Series[]): string {
  return series.find((each) => each.isNew === isNew && each.version === first.version)?.tone ?? '';
}

function tookOf({ durationMs, kind, marks, result, startedAt }: Shown): string {
  if (kind === 'online') return marks.ready === undefined ? '' : milliseconds(marks.ready - startedAt);
  return result === 'missing' || result === KILLED ? '' : milliseconds(durationMs);
}

/** All moments of a lane in words, for readers who cannot see it. */
function wordsOf(passages: readonly Shown[], origin: number): string {
  return passages
    .flatMap(({ kind, marks, startedAt }) => [
      `${kind === 'online' ? 'came' : 'left'} ${milliseconds(startedAt - origin)} into the release`,
      ...MARKS[kind].slice(1).flatMap((mark) => {
        const at = marks[mark];
        return at === undefined ? [] : [`${wordOfMark(mark)} ${milliseconds(at - startedAt)} later`];
      }),
    ])
    .join(', ');
}

function MarkLegend(): JSX.Element {
  return (
    <ul class="legend marks">
      {[...MARKS.offline, ...MARKS.online].map((mark) => (
        <li key={mark}>
          <span class={`mark ${mark}`} aria-hidden="true" />
          {wordOfMark(mark)}
        </li>
      ))}
    </ul>
  );
}
