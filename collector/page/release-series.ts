import { type Lane, lanesOf } from '../../src/trace/model/release-summary.ts';
import type { Shown, ShownRelease } from '../../src/trace/model/shown.ts';
import type { Curve } from '../../src/trace/model/traffic.ts';
import { isCounted } from '../../src/trace/model/verdict.ts';

/** Instances of one version that came, or that left. */
export interface Series {
  readonly version: string;
  readonly isNew: boolean;
  /** The CSS class of its colour. */
  readonly tone: string;
  readonly instances: number;
  readonly curves: readonly Curve[];
}

/** Traffic in steps of time. */
export interface Stack {
  /** Requests per second at the highest. */
  readonly peak: number;
  readonly stepMs: number;
  /** Requests per second of each series in each step. */
  readonly rates: readonly (readonly number[])[];
  /** Estimated rate in each step of the instances whose traces tell none: each counts as much as the mean of the others. */
  readonly untold: readonly number[];
}

/** A part of time, milliseconds since the Unix epoch. */
type Period = readonly [from: number, to: number];

/** Most steps of a drawing, and the shortest one, in milliseconds: traces are no finer than a second. */
const MOST_STEPS = 600;
const SHORTEST_STEP_MS = 1_000;

/** Colours of one side; further versions share the last. */
const COLOURS = 3;

/** Old versions first, each with the traffic in the traces of its instances. */
export function seriesOf(release: ShownRelease['release']): readonly Series[] {
  const lanes = lanesOf(release);
  return [false, true].flatMap((isNew) => {
    const own = lanes.filter((lane) => lane.isNew === isNew);
    return [...Map.groupBy(own, ({ passages: [first] }) => first.version)].map(([version, those], index) => ({
      version,
      isNew,
      tone: `${isNew ? 'new' : 'old'}-${Math.min(index, COLOURS - 1)}`,
      instances: those.length,
      curves: those.flatMap(({ passages }) => passages.flatMap(({ traffic }: Shown) => traffic ?? [])),
    }));
  });
}

/** The traffic of a release in steps from one time to another, milliseconds since the Unix epoch. */
export function stackOf(release: ShownRelease['release'], from: number, to: number): Stack {
  const stepMs = Math.max(SHORTEST_STEP_MS, (to - from) / MOST_STEPS);
  const steps = Math.max(1, Math.ceil((to - from) / stepMs));
  const rates = seriesOf(release).map(({ curves }) => {
    const sums = Array.from({ length: steps }, () => 0);
    for (const curve of curves) spread(curve, from, stepMs, sums);
    return sums.map((sum) => (sum * 1_000) / stepMs);
  });
  const untold = untoldOf(lanesOf(release), from, to, steps, stepMs);
  const totals = untold.map((rate, step) => rates.reduce((sum, own) => sum + (own[step] ?? 0), rate));
  return { peak: Math.max(1, ...totals), stepMs, rates, untold };
}

/** When an instance served with its full share, from one time to another. */
export function servedBy({ isNew, passages }: Lane<Shown>, from: number, to: number): readonly Period[] {
  const served: Period[] = [];
  let since: number | undefined = isNew || !isCounted(passages[0]) ? undefined : from;
  for (const { kind, marks, result, startedAt, durationMs } of passages) {
    if (kind === 'offline') {
      if (since !== undefined) served.push([since, startedAt]);
      since = result === 'cancelled' ? startedAt + durationMs : undefined;
    } else since = marks.full_share ?? (result === 'missing' ? undefined : marks.ready);
  }
  return since === undefined ? served : [...served, [since, to]];
}

function untoldOf(
  lanes: readonly Lane<Shown>[],
  from: number,
  to: number,
  steps: number,
  stepMs: number,
): readonly number[] {
  const instances = lanes.map((lane) => ({
    served: servedBy(lane, from, to),
    curves: lane.passages.flatMap(({ traffic }) => traffic ?? []),
  }));
  let mean = 0;
  return Array.from({ length: steps }, (_, step) => {
    const at = from + (step + 0.5) * stepMs;
    const serving = instances.filter(({ served }) => served.some(([begin, end]) => begin <= at && at < end));
    const told = serving.flatMap(({ curves }) => curves.find((curve) => rateAt(curve, at) !== undefined) ?? []);
    // The last step of a curve may be incomplete.
    const complete = told.filter((curve) => rateAt(curve, at + curve.stepMs) !== undefined);
    if (complete.length > 0)
      mean = complete.reduce((sum, curve) => sum + (rateAt(curve, at) ?? 0), 0) / complete.length;
    return (serving.length - told.length) * mean;
  });
}

/** Requests per second at a time; undefined outside of the curve. */
function rateAt({ counts, since, stepMs }: Curve, at: number): number | undefined {
  const count = counts[Math.floor((at - since) / stepMs)];
  return count === undefined ? undefined : (count * 1_000) / stepMs;
}

/** Adds the requests of each step of a curve to the drawn steps that it overlaps, in proportion to the overlap. */
function spread({ counts, since, stepMs: own }: Curve, from: number, stepMs: number, sums: number[]): void {
  for (const [index, count] of counts.entries()) {
    const begin = (since + index * own - from) / stepMs;
    const end = begin + own / stepMs;
    for (let step = Math.max(0, Math.floor(begin)); step < Math.min(sums.length, end); step++) {
      const share = (Math.min(end, step + 1) - Math.max(begin, step)) / (end - begin);
      sums[step] = (sums[step] ?? 0) + count * share;
    }
  }
}
