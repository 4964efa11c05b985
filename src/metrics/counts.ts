import type { LifecycleRecord } from '../lifecycle/records.ts';

/** Work that is counted. */
export type Counted = 'goaway' | 'offline' | 'online';

/** Counts of results by piece of work, from the same records as the spans, so that the two cannot disagree. */
export class Counts {
  readonly #counts: Record<Counted, Record<string, number>> = { goaway: {}, offline: {}, online: {} };

  /** Subscribe it to the journal. */
  readonly sink = (record: LifecycleRecord): void => {
    if (record.kind !== 'ended') return;
    const { work, facts } = record;
    if (work === 'goaway' || work === 'offline' || work === 'online') {
      const counts = this.#counts[work];
      const result = String(facts.result);
      counts[result] = (counts[result] ?? 0) + 1;
    }
  };

  /** Counts by result. */
  of(work: Counted): Readonly<Record<string, number>> {
    return this.#counts[work];
  }
}
