import { nameOf, type Passage, type Release } from './release.ts';
import type { Trace } from './trace.ts';
import { type Curve, trafficOf } from './traffic.ts';
import { assess, type Verdict } from './verdict.ts';

/** A start or a shutdown in the picture of a release. */
export interface Shown extends Verdict {
  /** Null when its trace tells none. */
  readonly traffic: Curve | null;
  /** For a shutdown the trace of that instance's start, for a start that of its shutdown; null when there is none. */
  readonly counterpart: string | null;
  /** Number of problems beyond those in `problems`. */
  readonly moreProblems: number;
}

/** All that the picture of a release needs: the collector answers with it, and a page that stands alone contains it. */
export interface ShownRelease {
  /** Name by which `releaseNamed` finds it. */
  readonly name: string;
  readonly release: Release<Shown>;
  /** Names of the releases before and after it; null when there is none. */
  readonly before: string | null;
  readonly after: string | null;
  /** Starts and shutdowns whose traces have not been read yet. */
  readonly unread: number;
}

/** Most problems that are shown of one passage, and characters of each: a sender may have written anything. */
const MOST_PROBLEMS = 3;
const LONGEST_PROBLEM = 200;

/** @param now milliseconds since the Unix epoch */
export function shownOf(trace: Trace, now: number, counterpart?: string): Shown {
  const verdict = assess(trace, now);
  return {
    ...verdict,
    problems: verdict.problems.slice(0, MOST_PROBLEMS).map((problem) => problem.slice(0, LONGEST_PROBLEM)),
    moreProblems: Math.max(0, verdict.problems.length - MOST_PROBLEMS),
    traffic: trafficOf(trace.spans) ?? null,
    counterpart: counterpart ?? null,
  };
}

/** The names of a release and of its neighbours among those of its namespace. */
export function namesOf<P extends Passage>(
  release: Release<P>,
  releases: readonly Release<P>[],
): Pick<ShownRelease, 'name' | 'before' | 'after'> {
  const own = releases.filter(({ namespace }) => namespace === release.namespace);
  const at = own.indexOf(release);
  const named = (other: Release<P> | undefined): string | null => (other === undefined ? null : nameOf(other, own));
  return { name: nameOf(release, own), before: named(own[at - 1]), after: named(own[at + 1]) };
}
