import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { GoAwayResult } from '../../lifecycle/outcomes.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import { Tally } from './tally.ts';

/** The span and the counts of a group of callers. */
interface Group {
  readonly work: Work<'notify' | 'notify.service'>;
  readonly told: Tally;
}

/** Callers of one service that get a GoAway at the same time. */
export interface ServiceGroup extends Group {
  readonly service: string;
  /** Callers that have not answered yet. */
  asked: number;
}

/**
 * Callers that get a GoAway at the same time, and their spans. A caller that appears after all have answered begins a round of its
 * own.
 */
export class Round {
  readonly #journal: Journal;
  readonly #whole: Group;
  /** Services with a caller that has not answered. A trace view then folds a few rows instead of hundreds. */
  readonly #services = new Map<string, ServiceGroup>();

  constructor(journal: Journal, root: SpanIds) {
    this.#journal = journal;
    this.#whole = { work: journal.start('notify', { parent: root }), told: new Tally() };
  }

  /** A caller gets a GoAway. */
  begin(service: string): ServiceGroup {
    const group = this.#services.get(service) ?? this.#start(service);
    group.asked++;
    this.#whole.told.begin();
    group.told.begin();
    return group;
  }

  /**
   * A caller has answered, or no GoAway reaches it. The last one of a service ends the span of the service, because other services may
   * take much longer.
   */
  answered(group: ServiceGroup, result: GoAwayResult, cause: string): void {
    this.#whole.told.end(result, cause);
    group.told.end(result, cause);
    group.asked--;
    if (group.asked > 0) return;
    this.#services.delete(group.service);
    endGroup(group);
  }

  /** Every caller has answered. */
  end(): void {
    endGroup(this.#whole);
  }

  #start(service: string): ServiceGroup {
    const parent = this.#whole.work.ids;
    const work = this.#journal.start('notify.service', { parent, facts: { consumerService: service } });
    const group = { service, work, told: new Tally(), asked: 0 };
    this.#services.set(service, group);
    return group;
  }
}

function endGroup({ work, told: { planned, acked, failed, gone, causes } }: Group): void {
  const failure =
    failed > 0
      ? { type: 'fanout_incomplete', message: `${failed} of ${planned} consumers were not told: ${causes}` }
      : undefined;
  work.end({ planned, acked, gone }, failure);
}
