import type { Verdict } from './verdict.ts';

/** The part of a verdict that finds its release. */
export type Passage = Pick<
  Verdict,
  'traceId' | 'kind' | 'service' | 'namespace' | 'instanceId' | 'generation' | 'version' | 'startedAt' | 'durationMs'
>;

/** Starts and shutdowns of a service that belong together: the instances of a version come, and those before them go. */
export interface Release<P extends Passage = Verdict> {
  readonly service: string;
  readonly namespace: string;
  /** Version of the instances that came or, when none came, of those that went; empty when it is not known. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** By their start. */
  readonly starts: readonly P[];
  readonly stops: readonly P[];
}

/** Pause between two releases, in milliseconds: longer than an instance takes to start, shorter than people take to release again. */
export const GAP_MS = 600_000;

/**
 * The releases of one service, the earliest first; each namespace has its own. A start belongs to the release of its version. A
 * shutdown belongs to the last other version that came between the start of its instance and the shutdown; if none did, to the
 * first other version that comes later; if none does, to its own version. A pause of ten minutes divides two releases in any case.
 */
export function releasesOf<P extends Passage>(passages: readonly P[]): readonly Release<P>[] {
  const ordered = passages.toSorted((one, other) => one.startedAt - other.startedAt);
  return [...Map.groupBy(ordered, ({ namespace }) => namespace).values()]
    .flatMap(burstsOf)
    .flatMap(splitByVersion)
    .sort((one, other) => one.startedAt - other.startedAt);
}

/** Checked first, because `Date.parse` takes nearly everything. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T/;

/**
 * The release that a name means. `latest`: the last one in which an instance left. A version: the last release of it. A time (ISO
 * 8601): the release with the start or shutdown that began nearest to it, at most a second away.
 */
export function releaseNamed<P extends Passage>(releases: readonly Release<P>[], name: string): Release<P> | undefined {
  const ofVersion = releases.findLast(({ version }) => version === name);
  if (ofVersion !== undefined) return ofVersion;
  if (name === 'latest') return releases.findLast(({ stops }) => stops.length > 0);
  const time = ISO_TIME.test(name) ? Date.parse(name) : Number.NaN;
  // The nearest one: a beginning moves a little when an earlier span of it arrives.
  const away = ({ starts, stops }: Release<P>): number =>
    Math.min(...[...starts, ...stops].map(({ startedAt }) => Math.abs(startedAt - time)));
  const [nearest] = releases.filter((release) => away(release) <= 1_000).sort((one, other) => away(one) - away(other));
  return nearest;
}

/** The name by which `releaseNamed` finds a release: its version, or its time when that version has been released again since. */
export function nameOf<P extends Passage>(release: Release<P>, releases: readonly Release<P>[]): string {
  return release.version !== '' && releaseNamed(releases, release.version) === release
    ? release.version
    : timeOf(release);
}

/** A name for the release of a start or a shutdown: the time at which it began. */
export function timeOf({ startedAt }: Pick<Passage, 'startedAt'>): string {
  return new Date(Math.floor(startedAt)).toISOString();
}

/** The key of one process, whose starts and shutdowns may be many. */
export function instanceOf({ namespace, instanceId, generation }: Passage): string {
  return JSON.stringify([namespace, instanceId, generation]);
}

/** Maps each start to the next shutdown of its instance, and each shutdown to the start before it, by the ids of their traces. */
export function counterpartsOf(passages: readonly Passage[]): ReadonlyMap<string, string> {
  const pairs: [string, string][] = [];
  for (const those of Map.groupBy(passages, instanceOf).values()) {
    const ordered = those.toSorted((one, other) => one.startedAt - other.startedAt);
    for (const [index, one] of ordered.entries()) {
      const other = one.kind === 'online' ? ordered[index + 1] : ordered[index - 1];
      if (other !== undefined && other.kind !== one.kind) pairs.push([one.traceId, other.traceId]);
    }
  }
  return new Map(pairs);
}

function burstsOf<P extends Passage>(ordered: readonly P[]): readonly (readonly P[])[] {
  const bursts: P[][] = [];
  let until = Number.NEGATIVE_INFINITY;
  for (const passage of ordered) {
    if (passage.startedAt > until + GAP_MS) bursts.push([]);
    bursts.at(-1)?.push(passage);
    until = Math.max(until, passage.startedAt + passage.durationMs);
  }
  return bursts;
}

function splitByVersion<P extends Passage>(burst: readonly P[]): readonly Release<P>[] {
  const known = new Set<string>();
  // An instance that undoes its shutdown starts again, but does not come anew.
  const coming = burst.filter((passage) => {
    const isFirst = !known.has(instanceOf(passage));
    known.add(instanceOf(passage));
    return isFirst && passage.kind === 'online';
  });
  const groups = Map.groupBy(burst, (passage) => releasedBy(passage, coming));
  return [...groups.values()].flatMap((those) => {
    const [first] = those;
    const starts = those.filter(({ kind }) => kind === 'online');
    const stops = those.filter(({ kind }) => kind === 'offline');
    if (first === undefined) return [];
    const { service, namespace, startedAt } = first;
    const { version } = those.find((passage) => coming.includes(passage)) ?? first;
    return [{ service, namespace, version, startedAt, starts, stops }];
  });
}

/** The version whose release a passage belongs to. */
function releasedBy(passage: Passage, coming: readonly Passage[]): string {
  const { startedAt, version } = passage;
  if (coming.includes(passage)) return version;
  const instance = instanceOf(passage);
  const since = coming.find((start) => instanceOf(start) === instance)?.startedAt ?? Number.NEGATIVE_INFINITY;
  const others = coming.filter((start) => start.version !== version && start.startedAt > since);
  const before = others.findLast((start) => start.startedAt <= startedAt);
  return (before ?? others[0])?.version ?? version;
}
