import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { lanesOf, readySteps, summaryOf } from '../../src/trace/model/release-summary.ts';
import type { Shown, ShownRelease } from '../../src/trace/model/shown.ts';
import { Lanes } from './release-lanes.tsx';
import { seriesOf, stackOf } from './release-series.ts';
import { ReleaseTraffic } from './release-traffic.tsx';

/** A scale that makes two pictures comparable. */
export interface Scale {
  /** Length of the time axis, in milliseconds. */
  readonly lengthMs: number;
  /** Requests per second at the top. */
  readonly peak: number;
}

/** Time shown before the first and after the last moment, as a part of the whole. */
const MARGIN = 0.04;

/** Shortest axis, in milliseconds. */
const SHORTEST_MS = 2_000;

/** While an end is missing, the axis goes on for so long after the last known moment. */
const LONGEST_SILENCE_MS = 30_000;

/** From the first to the last moment of a release, with margins, in milliseconds since the Unix epoch. */
export function rangeOf({ release }: ShownRelease, now: number): { readonly from: number; readonly to: number } {
  const passages: readonly Shown[] = [...release.starts, ...release.stops];
  const moments = passages.flatMap(({ marks, startedAt, durationMs }) => [
    ...Object.values(marks),
    startedAt + durationMs,
  ]);
  const last = Math.max(release.startedAt + SHORTEST_MS, ...moments);
  const isOpen = passages.some(({ result }) => result === 'missing');
  const end = isOpen ? Math.min(Math.max(last, now), last + LONGEST_SILENCE_MS) : last;
  const margin = (end - release.startedAt) * MARGIN;
  return { from: release.startedAt - margin, to: end + margin };
}

/** The scale on which a release fills its picture. */
export function scaleOf(shown: ShownRelease, now: number): Scale {
  const { from, to } = rangeOf(shown, now);
  return { lengthMs: to - from, peak: stackOf(shown.release, from, to).peak };
}

interface PictureProps {
  readonly shown: ShownRelease;
  readonly now: number;
  readonly scale: Scale;
  /** The address of the page of a trace. */
  readonly hrefOf: (traceId: string) => string;
}

/** A release on one axis of time: its traffic, how many were ready, and a lane for each instance. */
export function Picture({ shown, now, scale, hrefOf }: PictureProps): JSX.Element {
  const { release } = shown;
  const { from } = rangeOf(shown, now);
  const to = from + scale.lengthMs;
  const series = useMemo(() => seriesOf(release), [release]);
  const lanes = useMemo(() => lanesOf(release), [release]);
  const stack = useMemo(() => stackOf(release, from, to), [release, from, to]);
  const axis = { from, to, origin: release.startedAt };
  return (
    <section class="picture" aria-label="picture">
      <ReleaseTraffic
        series={series}
        stack={stack}
        steps={readySteps(release)}
        fewest={summaryOf(release).fewestReady}
        axis={axis}
        peak={scale.peak}
      />
      <Lanes lanes={lanes} series={series} axis={axis} now={now} hrefOf={hrefOf} />
    </section>
  );
}
