import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import type { Acked } from './acked.ts';
import type { GoAwayCalls } from './goaway-calls.ts';
import { type HasEndedOptions, hasEnded } from './has-ended.ts';

/**
 * How often isolations are renewed, in milliseconds: unsigned ones last a minute. Consumers without another instance are asked
 * more often.
 */
const RENEW_MS = 25_000;
const RENEW_STRANDED_MS = 2_000;

export interface RenewalOptions extends HasEndedOptions {
  readonly clock: Clock;
  readonly acked: Acked;
  readonly calls: GoAwayCalls;
}

/** Renews the isolation at every consumer that has acked, until it is aborted. */
export class Renewal {
  readonly #options: RenewalOptions;
  #timer: Timer | undefined;

  constructor(options: RenewalOptions) {
    this.#options = options;
    this.schedule();
    whenAborted(options.signal, () => this.#timer?.cancel());
  }

  /** Waits again, for a shorter time once a consumer has no other instance. */
  schedule(): void {
    const { acked, clock, signal } = this.#options;
    this.#timer?.cancel();
    if (signal.aborted) return;
    this.#timer = clock.after(acked.hasStranded ? RENEW_STRANDED_MS : RENEW_MS, async () => {
      await Promise.all(acked.all.map((entry) => this.#renew(entry)));
      this.schedule();
    });
  }

  /** Repeats the GoAway, without a span. A consumer without another instance may have one now, or may have exited. */
  async #renew(entry: RecentCaller): Promise<void> {
    const { acked, calls } = this.#options;
    const { first, call } = await calls.send(entry, undefined, false);
    if (call === undefined || (first.result === 'acked' && acked.addAgain(entry, call))) return;
    call.hangUp('cancelled');
    if (acked.waitsFor(entry) && (await hasEnded(entry, first.result, this.#options))) acked.left(entry);
  }
}
