import type { SpanGroup } from './otlp.ts';
import { Refused } from './refused.ts';
import type { Store } from './store.ts';

/** Most spans that wait for the end of a turn; with more, all are stored at once. */
const MOST_WAITING = 5_000;

/** The spans of one request. */
interface Waiting {
  readonly groups: readonly SpanGroup[];
  readonly kept: () => void;
  readonly failed: (thrown: unknown) => void;
}

/**
 * Stores the spans of requests. All that arrive in the same turn of the event loop go into one transaction: when every consumer of
 * a shutdown sends its span, a transaction for each would cost more than all else.
 */
export class Intake {
  readonly #store: Store;
  readonly #added: (groups: readonly SpanGroup[]) => void;
  #waiting: Waiting[] = [];
  #spans = 0;

  /** @param added called with the spans that are new */
  constructor(store: Store, added: (groups: readonly SpanGroup[]) => void) {
    this.#store = store;
    this.#added = added;
  }

  /**
   * Resolves when the spans are stored and can be found.
   *
   * @throws Refused 503 when they cannot be stored. The sender should repeat; repeated spans are not counted again
   */
  add(groups: readonly SpanGroup[]): Promise<void> {
    return new Promise((kept, failed) => {
      this.#waiting.push({ groups, kept, failed });
      this.#spans += groups.reduce((sum, { spans }) => sum + spans.length, 0);
      if (this.#spans >= MOST_WAITING) this.#flush();
      else if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const all = this.#waiting;
    this.#waiting = [];
    this.#spans = 0;
    if (all.length === 0 || this.#keep(all)) return;
    // One of the requests is at fault: only that one is refused.
    for (const each of all) this.#keep([each], each.failed);
  }

  /** Stores all requests or none. When it stores none, calls `failed` with the reason. */
  #keep(all: readonly Waiting[], failed?: Waiting['failed']): boolean {
    try {
      this.#added(this.#store.add(all.flatMap(({ groups }) => groups)));
    } catch (thrown) {
      this.#store.recover(thrown);
      failed?.(new Refused(503, `the spans cannot be stored: ${(thrown as Error).message}`));
      return false;
    }
    for (const { kept } of all) kept();
    return true;
  }
}
