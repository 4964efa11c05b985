import { setImmediate } from 'node:timers/promises';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { traceOf } from '../../src/trace/model/trace.ts';
import { assess, LATE_MS } from '../../src/trace/model/verdict.ts';
import { textOf } from './attributes.ts';
import { jaegerTrace } from './jaeger.ts';
import type { Span } from './otlp.ts';
import type { Shutdown, ShutdownList } from './shutdown-list.ts';
import type { FoundRoot, RootQuery, Store } from './store.ts';

/** Which are listed. Times are microseconds since the Unix epoch. */
export interface ShutdownQuery extends RootQuery {
  /** `missing` for those whose root never arrived. */
  readonly result?: string | undefined;
}

/** Rows of one page. */
const ROWS = 50;

/** Problems of a row that are told, and characters of each: a sender may have written anything. */
const TOLD = 3;
const LONGEST_PROBLEM = 200;

/** Verdicts that are kept. */
const MOST_KEPT = 1_000;

/** Lists shutdowns with their verdicts. A verdict is made once for each change of a trace, and when it may have become another. */
export class Shutdowns {
  readonly #store: Store;
  readonly #kept = new Map<string, { readonly version: string; readonly until: number; readonly shutdown: Shutdown }>();

  constructor(store: Store) {
    this.#store = store;
  }

  async list({ result, ...query }: ShutdownQuery): Promise<ShutdownList> {
    const found: FoundRoot[] = [];
    let next: number | null = null;
    for (const root of this.#store.roots(query)) {
      if (result !== undefined && resultOf(root.root) !== result) continue;
      if (found.length === ROWS) {
        next = found.at(-1)?.start ?? null;
        break;
      }
      found.push(root);
    }
    const shutdowns: Shutdown[] = [];
    for (const root of found) {
      shutdowns.push(this.#assess(root));
      // Spans that arrive go first.
      await setImmediate();
    }
    return { services: this.#store.rootServices(), shutdowns, next };
  }

  #assess({ traceId, root }: FoundRoot): Shutdown {
    const now = Date.now();
    const version = this.#store.version(traceId);
    const kept = this.#kept.get(traceId);
    if (kept?.version === version && now < kept.until) return kept.shutdown;
    const verdict = assess(traceOf(jaegerTrace(this.#store.traces([traceId])[0] ?? [])), now);
    const isOpen = verdict.kind === 'offline' && verdict.result === 'missing' && verdict.startedAt > 0;
    const until = isOpen ? verdict.startedAt + verdict.gracePeriodMs + LATE_MS : Number.POSITIVE_INFINITY;
    const shutdown = {
      ...verdict,
      traceId,
      endedAt: root === undefined ? null : verdict.startedAt + verdict.durationMs,
      problems: verdict.problems.slice(0, TOLD).map((problem) => problem.slice(0, LONGEST_PROBLEM)),
      moreProblems: Math.max(0, verdict.problems.length - TOLD),
    };
    this.#kept.delete(traceId);
    this.#kept.set(traceId, { version, until, shutdown });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
    }
    return shutdown;
  }
}

function resultOf(root: Span | undefined): string {
  const name = root?.name === spanName('online') ? ATTR.onlineResult : ATTR.offlineResult;
  const value = root?.attributes.find((attribute) => attribute.key === name)?.value;
  return value === undefined ? 'missing' : textOf(value);
}
