import type { LifecycleRecord, WorkName } from '../lifecycle/records.ts';
import { ATTR, type AttributeName } from '../trace/model/schema.ts';

/** Work that is counted, by the attribute that says how it ended. */
const COUNTED = {
  goaway: ATTR.goawayResult,
  offline: ATTR.offlineResult,
  online: ATTR.onlineResult,
} as const satisfies Partial<Record<WorkName, AttributeName>>;

/** Work that is counted. */
export type Counted = keyof typeof COUNTED;

/** How often each piece of work ended how: the same records that become spans, so that the two cannot disagree. */
export class Counts {
  readonly #counts: Record<Counted, Record<string, number>> = { goaway: {}, offline: {}, online: {} };

  /** To be subscribed to the journal. */
  readonly sink = (record: LifecycleRecord): void => {
    if (record.kind !== 'ended' || !(record.work in COUNTED)) return;
    const work = record.work as Counted;
    const result = String(record.attributes[COUNTED[work]]);
    this.#counts[work][result] = (this.#counts[work][result] ?? 0) + 1;
  };

  /** Counts by result. */
  of(work: Counted): Readonly<Record<string, number>> {
    return this.#counts[work];
  }
}
