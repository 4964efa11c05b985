import { isCounted, isLossless, type Verdict } from './verdict.ts';

/** Starts and shutdowns of a service that belong together: the instances of a version come, and those before them go. */
export interface Release {
  readonly service: string;
  /** Of the instances that came, or, when none came, of those that went; empty when nothing says it. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** By their start. */
  readonly starts: readonly Verdict[];
  readonly stops: readonly Verdict[];
  /** Fewest instances that were ready at one time, of those that come or go in this release; null when none was ready before it. */
  readonly fewestReady: number | null;
}

/** A pause after which what follows is another release, in milliseconds: longer than an instance takes to start, shorter than people take to release again. */
export const GAP_MS = 600_000;

/**
 * The releases of one service, the earliest first. A start belongs to the release of its version, a shutdown to that of the
 * start of another version that is nearest in time, before or after it, and to its own version when no other one comes. Without
 * versions a pause of ten minutes divides two releases.
 */
export function releasesOf(verdicts: readonly Verdict[]): readonly Release[] {
  const ordered = [...verdicts].sort((one, other) => one.startedAt - other.startedAt);
  return burstsOf(ordered).flatMap(splitByVersion);
}

/** One sentence: what happened to whom. */
export function sentenceOf({ startedAt, endedAt, fewestReady, stops }: Release): string {
  const counted = stops.filter(isCounted);
  const sum = (count: (verdict: Verdict) => number): number => counted.reduce((total, each) => total + count(each), 0);
  return [
    `${counted.filter(isLossless).length} of ${counted.length} shutdowns lossless`,
    `${sum(({ acked }) => acked)} of ${sum(({ planned }) => planned)} consumers told`,
    `${sum(({ afterAck }) => afterAck)} requests after an ack`,
    `${Math.round((endedAt - startedAt) / 1_000)} s`,
    ...(fewestReady === null ? [] : [`never fewer than ${fewestReady} ready`]),
  ].join(', ');
}

function burstsOf(ordered: readonly Verdict[]): readonly (readonly Verdict[])[] {
  const bursts: Verdict[][] = [];
  let until = Number.NEGATIVE_INFINITY;
  for (const verdict of ordered) {
    if (verdict.startedAt > until + GAP_MS) bursts.push([]);
    bursts.at(-1)?.push(verdict);
    until = Math.max(until, endOf(verdict));
  }
  return bursts;
}

function splitByVersion(burst: readonly Verdict[]): readonly Release[] {
  const starts = burst.filter(({ kind }) => kind === 'online');
  const groups = Map.groupBy(burst, (verdict) => releasedBy(verdict, starts));
  return [...groups.values()].map(releaseOf).sort((one, other) => one.startedAt - other.startedAt);
}

/** The version whose release it belongs to. */
function releasedBy({ kind, startedAt, version }: Verdict, starts: readonly Verdict[]): string {
  if (kind === 'online') return version;
  const distance = (start: Verdict): number => Math.abs(start.startedAt - startedAt);
  const others = starts.filter((start) => start.version !== version);
  const [first] = others;
  return first === undefined
    ? version
    : others.reduce((nearest, start) => (distance(start) < distance(nearest) ? start : nearest), first).version;
}

function releaseOf(verdicts: readonly Verdict[]): Release {
  const starts = verdicts.filter(({ kind }) => kind === 'online');
  const stops = verdicts.filter(({ kind }) => kind === 'offline');
  const [first] = verdicts;
  // They are in the order of time.
  return {
    service: first?.service ?? '',
    version: (starts[0] ?? first)?.version ?? '',
    startedAt: first?.startedAt ?? 0,
    endedAt: verdicts.reduce((latest, verdict) => Math.max(latest, endOf(verdict)), 0),
    starts,
    stops,
    fewestReady: fewestReady(starts, stops),
  };
}

/** An instance is ready from its start's readiness, or before the release when it only leaves in it, until it begins to leave. */
function fewestReady(starts: readonly Verdict[], stops: readonly Verdict[]): number | null {
  const came = new Set(starts.map(({ instanceId }) => instanceId));
  const left = stops.filter(isCounted);
  const before = left.filter(({ instanceId }) => !came.has(instanceId)).length;
  if (before === 0) return null;
  const changes = [
    ...starts.flatMap(({ readyAt }) => (readyAt === null ? [] : [{ at: readyAt, by: 1 }])),
    ...left.map(({ startedAt }) => ({ at: startedAt, by: -1 })),
  ].sort((one, other) => one.at - other.at);
  let ready = before;
  let fewest = before;
  for (const { by } of changes) {
    ready += by;
    fewest = Math.min(fewest, ready);
  }
  return Math.max(0, fewest);
}

function endOf({ startedAt, durationMs, kind, readyAt }: Verdict): number {
  return kind === 'online' ? Math.max(startedAt, readyAt ?? 0) : startedAt + durationMs;
}
