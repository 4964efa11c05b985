import { valueIn } from '../../json.ts';
import { ATTR, spanName } from './schema.ts';
import type { Span } from './trace.ts';

/** Requests that an instance began to serve, in steps of one length. */
export interface Curve {
  /** Start of the first step, milliseconds since the Unix epoch. */
  readonly since: number;
  /** Length of a step, in milliseconds. */
  readonly stepMs: number;
  readonly counts: readonly number[];
}

const SECOND = 1_000;

/** Most steps that are read, because a sender may have written any number. */
const MOST_STEPS = 3_600;

/** The traffic in a trace: around a shutdown, or in the warm-up of a start. Undefined when there is none. */
export function trafficOf(spans: readonly Span[]): Curve | undefined {
  const tagsOf = (work: 'drain' | 'warmup'): Span['tags'] =>
    spans.find(({ name }) => name === spanName(work))?.tags ?? {};
  const [drain, warmup] = [tagsOf('drain'), tagsOf('warmup')];
  return (
    curveOf(Number(drain[ATTR.requestsSince]), SECOND, drain[ATTR.requestsPerSecond]) ??
    curveOf(
      spans.find(({ name }) => name === spanName('warmup'))?.start ?? Number.NaN,
      Number(warmup[ATTR.warmupStep]) * SECOND,
      warmup[ATTR.warmupRequests],
    )
  );
}

function curveOf(since: number, stepMs: number, list: Span['tags'][string] | undefined): Curve | undefined {
  // Jaeger shows a list as JSON.
  const counts = valueIn(String(list));
  if (!Array.isArray(counts) || counts.length === 0 || !Number.isFinite(since) || !(stepMs > 0)) return undefined;
  return {
    since,
    stepMs,
    counts: counts.slice(0, MOST_STEPS).map((each) => Math.max(0, typeof each === 'object' ? 0 : Number(each) || 0)),
  };
}
