import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import { Tally } from './tally.ts';

/** What callers who are told belong to, and what became of them. */
interface Group {
  readonly work: Work<'notify' | 'notify.service'>;
  readonly told: Tally;
}

/** Callers that are told at the same time, and the spans of it. Whoever appears after they have answered is a round of its own. */
export class Round {
  readonly #journal: Journal;
  readonly #whole: Group;
  readonly #services = new Map<string, Group>();

  constructor(journal: Journal, root: SpanIds) {
    this.#journal = journal;
    this.#whole = { work: journal.start('notify', { parent: root }), told: new Tally() };
  }

  /** The group of a service: a few rows to fold in a trace view instead of hundreds. */
  of(service: string): Group {
    let group = this.#services.get(service);
    if (group === undefined) {
      const parent = this.#whole.work.ids;
      const work = this.#journal.start('notify.service', { parent, facts: { consumerService: service } });
      group = { work, told: new Tally() };
      this.#services.set(service, group);
    }
    return group;
  }

  get told(): Tally {
    return this.#whole.told;
  }

  end(): void {
    for (const group of this.#services.values()) endGroup(group);
    endGroup(this.#whole);
  }
}

function endGroup({ work, told: { planned, acked, failed, gone, causes } }: Group): void {
  const failure =
    failed > 0
      ? { type: 'fanout_incomplete', message: `${failed} of ${planned} consumers were not told: ${causes}` }
      : undefined;
  work.end({ planned, acked, gone }, failure);
}
