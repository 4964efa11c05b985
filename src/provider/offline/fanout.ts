import type { Coverage } from '../../lifecycle/facts.ts';
import type { Journal } from '../../lifecycle/journal.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import { MOST_CALLERS } from '../traffic/callers.ts';
import { type RecentCaller, Telling } from '../traffic/recent-caller.ts';
import { Acked } from './acked.ts';
import { GoAwayCalls, type GoAwayCallsOptions } from './goaway-calls.ts';
import type { HasEndedOptions } from './has-ended.ts';
import { MOST_AT_ONCE } from './places.ts';
import { Renewal } from './renewal.ts';
import { Round } from './round.ts';
import { Tally } from './tally.ts';
import { isFailure, type Outcome, Teller } from './teller.ts';

export interface FanoutOptions extends GoAwayCallsOptions, Pick<HasEndedOptions, 'presenceOf'> {
  readonly journal: Journal;
  /** The root of the trace. */
  readonly root: SpanIds;
  /** Longest wait for a consumer that has acked, holds no connection and does not say that it is idle, in milliseconds. */
  readonly holdMs: number;
  /** Attempts per consumer before the drain begins without its answer; further ones follow until the offline ends. */
  readonly attempts: number;
  /** A caller gets no GoAway, because names come from outside and each costs spans and calls. */
  readonly onOverflow: () => void;
}

/** A snapshot of a fan-out. */
export interface Progress {
  readonly coverage: Coverage;
  /** Every consumer that acked is idle, or holds no connection and has been silent for the hold time. */
  readonly allIdle: boolean;
  /** Slowest first line so far, in milliseconds. */
  readonly roundTripMs: number;
}

/**
 * Tells consumers that this instance leaves: the planned ones at once, and each that appears later. Then knows which of them are
 * done with this instance, and renews their isolation until its signal is aborted.
 */
export class Fanout {
  readonly #options: FanoutOptions;
  /** Consumers that have not answered. */
  readonly #running = new Set<Promise<void>>();
  /** Those, and others that may still answer a further attempt. */
  readonly #unfinished = new Set<Promise<void>>();
  readonly #told = new Tally();
  readonly #acked: Acked;
  readonly #teller: Teller;
  #round: Round | undefined;
  #roundTripMs = 0;

  constructor(options: FanoutOptions) {
    const { journal, root } = options;
    const calls = new GoAwayCalls(options);
    this.#options = options;
    this.#acked = new Acked({ ...options, onStranded: () => renewal.schedule() });
    this.#teller = new Teller({ ...options, calls });
    const renewal = new Renewal({ ...options, calls, acked: this.#acked });
    this.#round = new Round(journal, root);
  }

  /** Visits each consumer once. */
  get progress(): Progress {
    const { planned, acked, failed, gone } = this.#told;
    const { awaited, busy, stranded } = this.#acked.look();
    return {
      coverage: { planned, acked, idle: acked - busy, failed, gone, stranded },
      allIdle: this.#running.size === 0 && awaited === 0,
      roundTripMs: this.#roundTripMs,
    };
  }

  get coverage(): Coverage {
    return this.progress.coverage;
  }

  /** Why consumers have not acked, with counts. */
  get causes(): string {
    return this.#told.causes;
  }

  /** Starts to tell `entry`, unless it was told already. */
  tell(entry: RecentCaller): void {
    const { journal, onOverflow, root, signal } = this.#options;
    if (signal.aborted || entry.telling !== undefined) return;
    if (this.#told.known >= MOST_CALLERS) {
      onOverflow();
      return;
    }
    const telling = new Telling();
    entry.telling = telling;
    const round = this.#round ?? new Round(journal, root);
    this.#round = round;
    const settled = Promise.withResolvers<void>();
    const run = settled.promise.then(() => void this.#running.delete(run));
    this.#running.add(run);
    const all = this.#tell(entry, telling, round, settled.resolve).finally(() => {
      this.#unfinished.delete(all);
      if (this.#unfinished.size === 0) this.#endRound();
    });
    this.#unfinished.add(all);
  }

  /** Resolves when every consumer told so far has answered, or counts as not told for now. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#unfinished.size === 0) this.#endRound();
  }

  /** Resolves when every GoAway has ended: soon after the signal was aborted. */
  async ended(): Promise<void> {
    while (this.#unfinished.size > 0) await Promise.all(this.#unfinished);
    this.#endRound();
  }

  #endRound(): void {
    this.#round?.end();
    this.#round = undefined;
  }

  /** @param onSettled called when it has answered, or counts as not told for now */
  async #tell(entry: RecentCaller, telling: Telling, round: Round, onSettled: () => void): Promise<void> {
    this.#told.begin();
    const group = round.begin(entry.caller.service);
    let untold: string | undefined;
    const settle = ({ result, errorType: cause = result }: Outcome): void => {
      if (untold !== undefined) this.#told.takeBack(untold);
      this.#told.end(result, cause);
      untold = isFailure(result) ? cause : undefined;
      if (telling.told !== 'acked') telling.told = isFailure(result) ? 'failed' : result;
      onSettled();
    };
    const outcome = await this.#teller.tell(entry, {
      parent: group.work.ids,
      ...this.#patienceWith(entry),
      onUntold: settle,
      onAck: ({ call, first, tookMs }) => {
        this.#roundTripMs = Math.max(this.#roundTripMs, tookMs);
        if (call !== undefined) this.#acked.add(entry, telling, call, first.ack);
      },
    });
    settle(outcome);
    round.answered(group, outcome.result, outcome.errorType ?? outcome.result);
  }

  /** Strangers can make up callers that never answer, so each of a crowd gets only one attempt. */
  #patienceWith({ open, reached }: RecentCaller): { readonly attempts: number; readonly goesOn: boolean } {
    const isDoubtful = reached === false && open === 0 && this.#told.known > MOST_AT_ONCE;
    const { attempts } = this.#options;
    return isDoubtful ? { attempts: 1, goesOn: false } : { attempts, goesOn: attempts > 0 };
  }
}
