import { setImmediate } from 'node:timers/promises';
import { judge } from '../../src/trace/model/judge.ts';
import {
  counterpartsOf,
  nameOf,
  type Passage,
  type Release,
  releaseNamed,
  releasesOf,
} from '../../src/trace/model/release.ts';
import { summaryOf } from '../../src/trace/model/release-summary.ts';
import { ATTR } from '../../src/trace/model/schema.ts';
import { namesOf, type Shown, type ShownRelease } from '../../src/trace/model/shown.ts';
import { textOf } from './attributes.ts';
import { timesOf } from './otlp.ts';
import type { ListedRelease, ReleaseList, ReleaseOfTrace } from './release-list.ts';
import type { FoundRoot } from './root-queries.ts';
import { resultOf } from './shutdowns.ts';
import type { Store } from './store.ts';
import { MOST_KEPT, type Verdicts } from './verdicts.ts';

/** A start or a shutdown by its root: enough to find its release without reading its trace. */
interface Found extends Passage {
  readonly result: string;
}

/** Releases of one answer, the latest of them. */
const MOST_RELEASES = 20;

/** How long an answer waits for traces to be read, in milliseconds; the rest is read for the next answer. */
const READING_MS = 250;

/** The releases of a service, found by the roots of its traces, with the verdicts of the requested ones. */
export class Releases {
  readonly #store: Store;
  readonly #verdicts: Verdicts;
  /** Whether traces are being read ahead, for later answers. */
  #isAhead = false;
  #found: { readonly service: string; readonly revision: number; readonly passages: readonly Found[] } | undefined;

  constructor(store: Store, verdicts: Verdicts) {
    this.#store = store;
    this.#verdicts = verdicts;
  }

  /** @param namespace undefined for every namespace */
  async list(service: string, namespace: string | undefined): Promise<ReleaseList> {
    const all = releasesOf(this.#passages(service, namespace));
    const deadline = performance.now() + READING_MS;
    const releases: ListedRelease[] = [];
    for (const each of all.slice(-MOST_RELEASES).reverse()) {
      const { name, release, unread } = await this.#shown(each, all, new Map(), deadline);
      const { starts: _, stops, ...head } = release;
      releases.push({ ...head, name, unread, summary: summaryOf(release), judgement: judge(stops, Date.now()) });
    }
    return { services: this.#store.rootServices(), releases };
  }

  /**
   * @param name a name for `releaseNamed`
   * @returns undefined when there is no such release
   */
  async one(service: string, namespace: string | undefined, name: string): Promise<ShownRelease | undefined> {
    const passages = this.#passages(service, namespace);
    const all = releasesOf(passages);
    const release = releaseNamed(all, name);
    if (release === undefined) return undefined;
    return this.#shown(release, all, counterpartsOf(passages), performance.now() + READING_MS);
  }

  /** Where the release of a trace is; undefined when the trace is none of ours. */
  ofTrace(traceId: string): ReleaseOfTrace | undefined {
    const { namespace, service } = this.#verdicts.of(traceId);
    const passages = this.#passages(service, namespace);
    const all = releasesOf(passages);
    const release = all.find(({ starts, stops }) => [...starts, ...stops].some((each) => each.traceId === traceId));
    if (release === undefined) return undefined;
    return {
      service,
      namespace,
      name: nameOf(release, all),
      counterpart: counterpartsOf(passages).get(traceId) ?? null,
    };
  }

  async #shown(
    release: Release<Found>,
    all: readonly Release<Found>[],
    counterparts: ReadonlyMap<string, string>,
    deadline: number,
  ): Promise<ShownRelease> {
    const read = new Map<string, Shown>();
    // Read traces first that may have lost something.
    const members = [...release.stops, ...release.starts].sort(
      (one, other) => Number(one.result === 'success') - Number(other.result === 'success'),
    );
    for (const { traceId } of members) {
      const kept = this.#verdicts.kept(traceId);
      if (kept === undefined && performance.now() > deadline) continue;
      read.set(traceId, { ...(kept ?? this.#verdicts.of(traceId)), counterpart: counterparts.get(traceId) ?? null });
      // Let arriving spans go first.
      if (kept === undefined) await setImmediate();
    }
    if (read.size < members.length) void this.#readAhead(members);
    const those = (passages: readonly Passage[]): readonly Shown[] =>
      passages.flatMap(({ traceId }) => read.get(traceId) ?? []);
    return {
      ...namesOf(release, all),
      release: { ...release, starts: those(release.starts), stops: those(release.stops) },
      unread: members.length - read.size,
    };
  }

  /** Reads the remaining traces while the answer is on its way, for the next request. */
  async #readAhead(members: readonly Passage[]): Promise<void> {
    if (this.#isAhead) return;
    this.#isAhead = true;
    try {
      for (const { traceId } of members.slice(0, MOST_KEPT)) {
        this.#verdicts.of(traceId);
        await setImmediate();
      }
    } catch {
      // The next request meets the same error and reports it.
    } finally {
      this.#isAhead = false;
    }
  }

  #passages(service: string, namespace: string | undefined): readonly Found[] {
    const { revision } = this.#store;
    if (this.#found?.service !== service || this.#found.revision !== revision) {
      const roots = this.#store.roots({ service, before: Number.MAX_SAFE_INTEGER, endedSince: 0 });
      this.#found = { service, revision, passages: [...roots].map(foundOf) };
    }
    const { passages } = this.#found;
    return namespace === undefined ? passages : passages.filter((each) => each.namespace === namespace);
  }
}

function foundOf({ root, told, traceId }: FoundRoot): Found {
  const { attributes, name, origin } = told;
  const said = (list: typeof attributes, key: string): string => {
    const value = list.find((attribute) => attribute.key === key)?.value;
    return value === undefined ? '' : textOf(value);
  };
  const { start, duration } = timesOf(told);
  return {
    traceId,
    kind: name.startsWith('lossless.online') ? 'online' : 'offline',
    service: origin.service,
    namespace: said(origin.resource, 'service.namespace'),
    version: said(origin.resource, 'service.version'),
    instanceId: said(attributes, ATTR.instanceId),
    generation: Number(said(attributes, ATTR.generation)),
    startedAt: start / 1_000,
    durationMs: root === undefined ? 0 : duration / 1_000,
    result: resultOf(root),
  };
}
