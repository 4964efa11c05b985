import { instanceOf, type Release } from './release.ts';
import { isCounted, isLossless, type Verdict } from './verdict.ts';

/** The totals of a release. Shutdowns that say nothing about loss are not counted. */
export interface ReleaseSummary {
  /** Shutdowns that have ended, and those of them that lost nothing. */
  readonly ended: number;
  readonly lossless: number;
  /** Shutdowns that may still run. */
  readonly leaving: number;
  readonly planned: number;
  readonly acked: number;
  /** Requests that came after an ack. */
  readonly afterAck: number;
  /** Starts, and those of them that became ready. */
  readonly starts: number;
  readonly ready: number;
  /** The last shutdown or readiness, milliseconds since the Unix epoch. */
  readonly endedAt: number;
  /** Fewest instances of this release that were ready at one time; null when none was ready before it. */
  readonly fewestReady: number | null;
  /** One sentence: what happened to whom. */
  readonly sentence: string;
}

/** One instance in a release: its starts and shutdowns there, the earliest first. */
export interface Lane<V extends Verdict = Verdict> {
  readonly key: string;
  /** The instance came in this release. */
  readonly isNew: boolean;
  readonly passages: readonly [V, ...V[]];
}

/** The number of ready instances from a time on, in milliseconds since the Unix epoch. */
export interface ReadyStep {
  readonly at: number;
  readonly ready: number;
}

/** Old instances, then new ones; within each, those that lost something first, then by time. */
export function lanesOf<V extends Verdict>({
  starts,
  stops,
}: Pick<Release<V>, 'starts' | 'stops'>): readonly Lane<V>[] {
  const ordered = [...starts, ...stops].sort((one, other) => one.startedAt - other.startedAt);
  const lanes = [...Map.groupBy(ordered, instanceOf)].flatMap(([key, [first, ...rest]]): readonly Lane<V>[] =>
    first === undefined ? [] : [{ key, isNew: first.kind === 'online', passages: [first, ...rest] }],
  );
  const rank = ({ isNew, passages }: Lane): number => Number(isNew) * 2 + Number(!passages.some(isLossy));
  return lanes.sort((one, other) => rank(one) - rank(other));
}

/** Whether a shutdown lost something, or a start failed. False while it may still run. */
export function isLossy(verdict: Verdict): boolean {
  if (verdict.result === 'missing' || !isCounted(verdict)) return false;
  return verdict.kind === 'offline' ? !isLossless(verdict) : verdict.result === 'error';
}

/** Ready instances over a release: an old one counts until it leaves, a new one from its readiness on. */
export function readySteps(release: Release): readonly ReadyStep[] {
  const lanes = lanesOf(release);
  const before = lanes.filter(({ isNew, passages }) => !isNew && passages.some(isCounted)).length;
  const changes = lanes
    .flatMap(({ passages }) => passages)
    .flatMap((passage) => {
      if (passage.kind === 'offline') return isCounted(passage) ? [{ at: passage.startedAt, by: -1 }] : [];
      return passage.marks.ready === undefined ? [] : [{ at: passage.marks.ready, by: 1 }];
    })
    .sort((one, other) => one.at - other.at);
  const steps: ReadyStep[] = [{ at: release.startedAt, ready: before }];
  for (const { at, by } of changes) steps.push({ at, ready: Math.max(0, (steps.at(-1)?.ready ?? 0) + by) });
  return steps;
}

export function summaryOf(release: Release): ReleaseSummary {
  const { starts, startedAt, stops } = release;
  const counted = stops.filter(isCounted);
  const ended = counted.filter(({ result }) => result !== 'missing');
  const sum = (count: (verdict: Verdict) => number): number => ended.reduce((total, each) => total + count(each), 0);
  const steps = readySteps(release);
  const counts = {
    ended: ended.length,
    lossless: ended.filter(isLossless).length,
    leaving: counted.length - ended.length,
    planned: sum(({ planned }) => planned),
    acked: sum(({ acked }) => acked),
    afterAck: sum(({ afterAck }) => afterAck),
    starts: starts.length,
    ready: starts.filter(({ marks }) => marks.ready !== undefined).length,
    endedAt: [...starts, ...stops].reduce((latest, verdict) => Math.max(latest, endOf(verdict)), startedAt),
    fewestReady: steps[0]?.ready === 0 ? null : Math.min(...steps.map(({ ready }) => ready)),
  };
  return { ...counts, sentence: sentenceOf(release, counts, ended) };
}

function sentenceOf(
  { startedAt }: Release,
  {
    acked,
    afterAck,
    endedAt,
    fewestReady,
    leaving,
    lossless,
    planned,
    ready,
    starts,
  }: Omit<ReleaseSummary, 'sentence'>,
  ended: readonly Verdict[],
): string {
  const [first] = ended;
  const isEach =
    ended.length > 1 && ended.every((each) => each.planned === first?.planned && each.acked === first?.acked);
  const told = isEach
    ? `${first?.acked} of ${first?.planned} consumers told each`
    : `${acked} of ${planned} consumers told`;
  const left = [`${lossless} of ${ended.length} shutdowns lossless`, told, `${afterAck} requests after an ack`];
  return [
    ...(ended.length > 0 ? left : []),
    ...(leaving > 0 ? [`${leaving} still leaving`] : []),
    ...(ready < starts || ended.length + leaving === 0 ? [`${ready} of ${starts} starts ready`] : []),
    `${Math.round((endedAt - startedAt) / 1_000)} s`,
    ...(fewestReady === null ? [] : [`never fewer than ${fewestReady} ready`]),
  ].join(', ');
}

function endOf({ startedAt, durationMs, kind, marks }: Verdict): number {
  return kind === 'online' ? Math.max(startedAt, marks.ready ?? 0) : startedAt + durationMs;
}
