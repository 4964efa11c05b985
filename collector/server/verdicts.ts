import { type Shown, shownOf } from '../../src/trace/model/shown.ts';
import { traceOf } from '../../src/trace/model/trace.ts';
import { LATE_MS } from '../../src/trace/model/verdict.ts';
import { jaegerTrace } from './jaeger.ts';
import type { Store } from './store.ts';

/** Most verdicts that are kept. */
export const MOST_KEPT = 5_000;

interface Kept {
  readonly version: string;
  readonly until: number;
  readonly shown: Shown;
}

/** Verdicts of traces. Makes one anew when its trace has changed, and when time alone may have changed it. */
export class Verdicts {
  readonly #store: Store;
  readonly #kept = new Map<string, Kept>();
  /** Number of verdicts made so far. */
  made = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  of(traceId: string): Shown {
    const kept = this.kept(traceId);
    if (kept !== undefined) return kept;
    const now = Date.now();
    const version = this.#store.version(traceId);
    const shown = shownOf(traceOf(jaegerTrace(this.#store.traces([traceId])[0] ?? [])), now);
    const isOpen = shown.kind === 'offline' && shown.result === 'missing' && shown.startedAt > 0;
    const until = isOpen ? shown.startedAt + shown.gracePeriodMs + LATE_MS : Number.POSITIVE_INFINITY;
    this.made++;
    this.#kept.delete(traceId);
    this.#kept.set(traceId, { version, until, shown });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
    }
    return shown;
  }

  /** A kept verdict that still holds; undefined when it must be made. */
  kept(traceId: string): Shown | undefined {
    const kept = this.#kept.get(traceId);
    const holds = kept !== undefined && kept.version === this.#store.version(traceId) && Date.now() < kept.until;
    return holds ? kept.shown : undefined;
  }
}
