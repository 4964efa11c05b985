import type { Judgement } from '../../src/trace/model/judge.ts';
import type { Release } from '../../src/trace/model/release.ts';
import type { ReleaseSummary } from '../../src/trace/model/release-summary.ts';
import type { ShownRelease } from '../../src/trace/model/shown.ts';

/** One row of the list: the summary of a release, as far as its traces have been read. */
export interface ListedRelease
  extends Pick<ShownRelease, 'name' | 'unread'>,
    Pick<Release, 'service' | 'namespace' | 'version' | 'startedAt'> {
  readonly summary: ReleaseSummary;
  readonly judgement: Judgement;
}

/** The latest releases of a service, the last one first. */
export interface ReleaseList {
  /** Services to choose from. */
  readonly services: readonly string[];
  readonly releases: readonly ListedRelease[];
}

/** The release of a trace. */
export interface ReleaseOfTrace {
  readonly service: string;
  readonly namespace: string;
  readonly name: string;
  /** Trace id of the other end of the same instance; null when there is none. */
  readonly counterpart: string | null;
}
