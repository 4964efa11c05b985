import type { JSX } from 'preact';
import { valueIn } from '../../src/json.ts';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { colourOf, phaseTimes } from './phases.tsx';

const SECOND = 1_000;

/** Most seconds that are drawn; a trace may say anything. */
const MOST_SECONDS = 3_600;

/** Height of the curve in the units of its drawing. */
const HEIGHT = 100;

/** Requests per second around a shutdown. */
export interface Curve {
  /** Start of the first second, milliseconds since the Unix epoch. */
  readonly since: number;
  readonly perSecond: readonly number[];
}

/** The curve of a trace; undefined when it has none. */
export function curveOf(spans: readonly Span[]): Curve | undefined {
  const tags = spans.find((span) => span.name === spanName('drain'))?.tags;
  const since = Number(tags?.[ATTR.requestsSince]);
  const perSecond = valueIn(String(tags?.[ATTR.requestsPerSecond]));
  if (!Array.isArray(perSecond) || perSecond.length === 0 || !Number.isFinite(since)) return undefined;
  return {
    since,
    perSecond: perSecond
      .slice(0, MOST_SECONDS)
      .map((each) => Math.max(0, typeof each === 'object' ? 0 : Number(each) || 0)),
  };
}

/** The traffic of the instance before and while it left, with the phases drawn on it. */
export function Traffic({ spans }: { readonly spans: readonly Span[] }): JSX.Element | null {
  const curve = curveOf(spans);
  const begun = spans.find((span) => span.name === spanName('offline.started'))?.start;
  if (curve === undefined || begun === undefined) return null;
  const { since, perSecond } = curve;
  const phases = phaseTimes(spans);
  const end = Math.max(since + perSecond.length * SECOND, ...phases.map(({ to }) => to));
  const share = (ms: number): number => (Math.min(Math.max(ms, since), end) - since) / (end - since);
  const percent = (ms: number): string => `${share(ms) * 100}%`;
  const peak = Math.max(1, ...perSecond);
  const served = spans.find((span) => span.name === spanName('offline'))?.tags[ATTR.served];
  return (
    <figure class="traffic" aria-label="traffic">
      <figcaption>
        <h2>Traffic</h2>
        <p>{wordsOf(curve, begun, served === 0)}</p>
      </figcaption>
      <div class="plot">
        <span class="peak" aria-hidden="true">
          {peak}/s
        </span>
        <svg viewBox={`0 0 1000 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {phases.map(({ phase, from, to }) => (
            <rect
              key={phase}
              class={colourOf(phase)}
              x={share(from) * 1_000}
              width={Math.max(1, (share(to) - share(from)) * 1_000)}
              y={0}
              height={HEIGHT}
            />
          ))}
          <path class="area" d={pathOf(perSecond, peak, (second) => share(since + second * SECOND) * 1_000)} />
        </svg>
        <span class="trigger" style={{ left: percent(begun) }} aria-hidden="true" />
      </div>
      <div class="ticks" aria-hidden="true">
        {ticksOf(begun, since, end).map(({ at, words }) => (
          <span key={at} style={{ left: percent(at) }}>
            {words}
          </span>
        ))}
      </div>
      <ul class="lanes">
        {phases.map(({ phase, from, to }) => (
          <li key={phase}>
            <span class="lane-name">
              {phase} <small>{milliseconds(to - from)}</small>
            </span>
            <span class="lane">
              <span
                class={colourOf(phase)}
                style={{ left: percent(from), width: `${(share(to) - share(from)) * 100}%` }}
              />
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function wordsOf(curve: Curve, begun: number, isNone: boolean): string {
  const before = curve.perSecond.slice(0, Math.max(0, Math.floor((begun - curve.since) / SECOND)));
  const mean = before.length === 0 ? 0 : before.reduce((sum, count) => sum + count, 0) / before.length;
  return `${mean.toFixed(mean < 10 ? 1 : 0)} requests/s before; ${lastOf(curve, begun, isNone)}`;
}

/** @param isNone no request came after the trigger: the second of the trigger does not tell */
function lastOf({ since, perSecond }: Curve, begun: number, isNone: boolean): string {
  const last = perSecond.findLastIndex((count) => count > 0);
  if (last < 0) return 'no request at all';
  const after = since + (last + 1) * SECOND - begun;
  return isNone || after <= 0 ? 'none after the trigger' : `the last within ${milliseconds(after)} of the trigger`;
}

/** Steps, one for each second. */
function pathOf(perSecond: readonly number[], peak: number, x: (second: number) => number): string {
  const steps = perSecond.map((count, second) => {
    const y = HEIGHT - (count / peak) * (HEIGHT - 4);
    return `L${x(second).toFixed(1)} ${y.toFixed(1)}L${x(second + 1).toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M0 ${HEIGHT}${steps.join('')}L${x(perSecond.length).toFixed(1)} ${HEIGHT}Z`;
}

/** Whole seconds from the trigger, at most eight of them; none at the very edge, where its words have no place. */
function ticksOf(
  begun: number,
  since: number,
  end: number,
): readonly { readonly at: number; readonly words: string }[] {
  const step = [1, 2, 5, 10, 15, 30, 60, 300, 600].find((seconds) => (end - since) / SECOND / seconds <= 8) ?? 1_800;
  const edge = (end - since) * 0.03;
  const first = Math.ceil((since + edge - begun) / SECOND / step);
  const last = Math.floor((end - edge - begun) / SECOND / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => {
    const seconds = (first + n) * step;
    const words = seconds === 0 ? 'trigger' : `${seconds > 0 ? '+' : '−'}${Math.abs(seconds)} s`;
    return { at: begun + seconds * SECOND, words };
  });
}
