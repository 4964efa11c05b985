import type { JSX } from 'preact';
import type { ReadyStep } from '../../src/trace/model/release-summary.ts';
import type { Series, Stack } from './release-series.ts';
import { ticksOf } from './ticks.ts';

/** A time axis, milliseconds since the Unix epoch. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  /** Zero of its labels. */
  readonly origin: number;
}

/** The units of a drawing. */
const WIDTH = 1_000;
const HEIGHT = 100;

/** The position of a moment on an axis, in percent. */
export function percentOf(at: number, { from, to }: Axis): number {
  return (Math.min(Math.max(at, from), to) - from) / (to - from) / 0.01;
}

interface TrafficProps {
  readonly series: readonly Series[];
  readonly stack: Stack;
  readonly steps: readonly ReadyStep[];
  readonly fewest: number | null;
  readonly axis: Axis;
  readonly peak: number;
}

/** Requests per second stacked by version, and the number of ready instances. */
export function ReleaseTraffic({ series, stack, steps, fewest, axis, peak }: TrafficProps): JSX.Element {
  const x = (step: number): number => ((step * stack.stepMs) / (axis.to - axis.from)) * WIDTH;
  const y = (rate: number): number => HEIGHT - (rate / peak) * (HEIGHT - 2);
  const most = Math.max(1, ...steps.map(({ ready }) => ready));
  return (
    <figure class="chart">
      <figcaption>
        <h2>Traffic</h2>
        <ul class="legend">
          {series.map(({ tone, version, isNew, instances }) => (
            <li key={tone + version}>
              <span class={`swatch ${tone}`} aria-hidden="true" />
              {version || 'without a version'}
              <small>
                {instances} {isNew ? 'new' : 'old'}
              </small>
            </li>
          ))}
          {stack.untold.some((rate) => rate > 0) && (
            <li title="Traces count the requests of instances that leave, in their last seconds, and of instances that warm up. For all others this chart draws the mean of the counted ones.">
              <span class="swatch untold" aria-hidden="true" />
              <small>not counted by a trace: the mean</small>
            </li>
          )}
        </ul>
      </figcaption>
      <div class="plot">
        <span class="peak" aria-hidden="true">
          {peak.toFixed(peak < 10 ? 1 : 0)}/s
        </span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {[...stack.rates, stack.untold].map((rates, index, all) => {
            const below = (step: number): number => all.slice(0, index).reduce((sum, own) => sum + (own[step] ?? 0), 0);
            const top = rates.map((rate, step) => corner(x(step), x(step + 1), y(below(step) + rate)));
            const bottom = rates.map((_, step) => corner(x(step + 1), x(step), y(below(step)))).toReversed();
            const tone = series[index]?.tone ?? 'untold';
            return <path key={tone} class={`area ${tone}`} d={`M${[...top, ...bottom].join('L')}Z`} />;
          })}
        </svg>
      </div>
      <div class="ready" title="instances that are ready">
        <span class="side" aria-hidden="true">
          ready
        </span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path d={readyPath(steps, most, axis)} />
        </svg>
        <span class="least">{fewest === null ? '' : `${fewest} at least`}</span>
      </div>
      <div class="ticks" aria-hidden="true">
        {ticksOf({ at: axis.origin, words: '0' }, axis.from, axis.to).map(({ at, words }) => (
          <span key={at} style={{ left: `${percentOf(at, axis)}%` }}>
            {words}
          </span>
        ))}
      </div>
    </figure>
  );
}

function corner(from: number, to: number, y: number): string {
  return `${from.toFixed(1)} ${y.toFixed(1)}L${to.toFixed(1)} ${y.toFixed(1)}`;
}

function readyPath(steps: readonly ReadyStep[], most: number, axis: Axis): string {
  const x = (at: number): string => ((percentOf(at, axis) / 100) * WIDTH).toFixed(1);
  const y = (ready: number): string => (HEIGHT - (ready / most) * (HEIGHT - 2)).toFixed(1);
  const points = steps.map(({ at, ready }, index) => {
    const from = index === 0 ? axis.from : at;
    return `L${x(from)} ${y(ready)}L${x(steps[index + 1]?.at ?? axis.to)} ${y(ready)}`;
  });
  return `M0 ${HEIGHT}${points.join('')}L${WIDTH} ${HEIGHT}Z`;
}
