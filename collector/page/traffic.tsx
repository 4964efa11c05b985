import type { JSX } from 'preact';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { type Curve, trafficOf } from '../../src/trace/model/traffic.ts';
import { colourOf, phaseTimes } from './phases.tsx';
import { ticksOf } from './ticks.ts';

const SECOND = 1_000;

/** Most time drawn before a shutdown: a multiple of its duration, but at least a number of milliseconds. */
const MOST_BEFORE = 9;
const LEAST_BEFORE_MS = 3_000;

/** Height of the curve in the units of its drawing. */
const HEIGHT = 100;

/** The traffic of the instance before and while it left, with the phases drawn on it. */
export function Traffic({ spans }: { readonly spans: readonly Span[] }): JSX.Element | null {
  const curve = trafficOf(spans);
  const begun = spans.find((span) => span.name === spanName('offline.started'))?.start;
  if (curve === undefined || begun === undefined) return null;
  const { counts } = curve;
  const phases = phaseTimes(spans);
  const served = spans.find((span) => span.name === spanName('offline'))?.tags[ATTR.served];
  const over = Math.max(begun, ...phases.map(({ to }) => to));
  // The last second ends with the drain. The second of the trigger counts requests before and after the trigger: when none came after,
  // all of them came before.
  const until = served === 0 ? begun : Math.min(over, curve.since + counts.length * SECOND);
  const end = over;
  const since = firstOf(curve, begun, over);
  const share = (ms: number): number => (Math.min(Math.max(ms, since), end) - since) / (end - since);
  const percent = (ms: number): string => `${share(ms) * 100}%`;
  const peak = Math.max(1, ...counts);
  return (
    <figure class="traffic" aria-label="traffic">
      <figcaption>
        <h2>Traffic</h2>
        <p>{wordsOf(curve, begun, until)}</p>
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
          <path
            class="area"
            d={pathOf(counts, peak, (second) => share(Math.min(curve.since + second * SECOND, until)) * 1_000)}
          />
        </svg>
        <span class="trigger" style={{ left: percent(begun) }} aria-hidden="true" />
      </div>
      <div class="ticks" aria-hidden="true">
        {ticksOf({ at: begun, words: 'trigger' }, since, end).map(({ at, words }) => (
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

/** The beginning of the axis: time before a short shutdown is cut, so that its phases can be told apart. */
function firstOf({ since }: Curve, begun: number, over: number): number {
  return Math.max(since, begun - Math.max(LEAST_BEFORE_MS, (over - begun) * MOST_BEFORE));
}

function wordsOf(curve: Curve, begun: number, until: number): string {
  const before = curve.counts.slice(0, Math.max(0, Math.floor((begun - curve.since) / SECOND)));
  const mean = before.length === 0 ? 0 : before.reduce((sum, count) => sum + count, 0) / before.length;
  return `${mean.toFixed(mean < 10 ? 1 : 0)} requests/s before; ${lastOf(curve, begun, until)}`;
}

/** @param until time after which no request came */
function lastOf({ since, counts }: Curve, begun: number, until: number): string {
  const last = counts.findLastIndex((count) => count > 0);
  if (last < 0) return 'no request at all';
  const after = Math.min(until, since + (last + 1) * SECOND) - begun;
  return after <= 0 ? 'none after the trigger' : `the last within ${milliseconds(after)} of the trigger`;
}

/** The path of the curve, with one step for each second. */
function pathOf(counts: readonly number[], peak: number, x: (second: number) => number): string {
  const steps = counts.map((count, second) => {
    const y = HEIGHT - (count / peak) * (HEIGHT - 4);
    return `L${x(second).toFixed(1)} ${y.toFixed(1)}L${x(second + 1).toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M0 ${HEIGHT}${steps.join('')}L${x(counts.length).toFixed(1)} ${HEIGHT}Z`;
}
