import { setImmediate } from 'node:timers/promises';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { textOf } from './attributes.ts';
import type { Span } from './otlp.ts';
import type { FoundRoot, RootQuery } from './root-queries.ts';
import type { Shutdown, ShutdownList } from './shutdown-list.ts';
import type { Store } from './store.ts';
import type { Verdicts } from './verdicts.ts';

/** A query for the list. Times are microseconds since the Unix epoch. */
export interface ShutdownQuery extends RootQuery {
  /** Finds those that began before, on any page. */
  readonly to: number;
}

/** Rows of one page. */
const ROWS = 50;

/** Lists shutdowns with their verdicts. */
export class Shutdowns {
  readonly #store: Store;
  readonly #verdicts: Verdicts;

  constructor(store: Store, verdicts: Verdicts) {
    this.#store = store;
    this.#verdicts = verdicts;
  }

  async list({ to, ...query }: ShutdownQuery): Promise<ShutdownList> {
    const found: FoundRoot[] = [];
    let next: number | null = null;
    for (const root of this.#store.roots({ ...query, before: Math.min(query.before, to) })) {
      if (found.length === ROWS) {
        next = found.at(-1)?.start ?? null;
        break;
      }
      found.push(root);
    }
    const shutdowns: Shutdown[] = [];
    for (const root of found) {
      shutdowns.push(this.#assess(root));
      // Let arriving spans go first.
      await setImmediate();
    }
    const counts = this.#store.countRoots({ ...query, before: to });
    return { services: this.#store.rootServices(), counts, shutdowns, next };
  }

  #assess({ traceId, root }: FoundRoot): Shutdown {
    const { traffic: _, counterpart: __, ...verdict } = this.#verdicts.of(traceId);
    return { ...verdict, traceId, endedAt: root === undefined ? null : verdict.startedAt + verdict.durationMs };
  }
}

/** The result in a root. */
export function resultOf(root: Span | undefined): string {
  const name = root?.name === spanName('online') ? ATTR.onlineResult : ATTR.offlineResult;
  const value = root?.attributes.find((attribute) => attribute.key === name)?.value;
  return value === undefined ? 'missing' : textOf(value);
}
