import type { Clock, Timer } from '../../lifecycle/clock.ts';

/** Seconds before an offline for which requests are kept. */
const BEFORE_S = 60;

/** A single request in more seconds than this does not predict the next one. */
const SINGLE_S = 30;

/**
 * When at least this part of the seconds is empty, the rate follows from it: with n random requests a second, e^-n of the seconds
 * are empty. Otherwise the median second gives the rate.
 */
const MANY_EMPTY = Math.exp(-2);

/** Most seconds reported: half an hour of drain. Attributes should stay below 1,000 elements, so longer drains are cut at their start. */
const MOST_S = 900;

/**
 * Requests started per second, which show in a trace that traffic was over before the stop. Sampled once a second from a counter,
 * so that a request costs nothing.
 */
export class Curve {
  readonly #clock: Clock;
  readonly #started: () => number;
  #counts: number[] = [];
  #last = 0;
  #sampledAt = 0;
  readonly #before: number;
  #keep: number;
  #timer: Timer | undefined;

  /**
   * @param started the counter, since the process began
   * @param before seconds before an offline that are kept
   */
  constructor(clock: Clock, started: () => number, before: number = BEFORE_S) {
    this.#clock = clock;
    this.#before = before;
    this.#keep = before;
    this.#started = started;
  }

  start(): void {
    this.#last = this.#started();
    this.#sampledAt = this.#clock.now();
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** From now on nothing is dropped: an offline has begun. */
  hold(): void {
    this.#keep = MOST_S;
  }

  /** Back to the last seconds: the offline was undone. */
  release(): void {
    this.#keep = this.#before;
  }

  /** Counts, oldest second first, the running second last; and when the first one began, in ms since the epoch. */
  read(): { readonly perSecond: readonly number[]; readonly since: number } {
    const perSecond = [...this.#counts, this.#started() - this.#last];
    const running = this.#clock.now() - this.#sampledAt;
    return { perSecond, since: Math.round(this.#clock.wall() - running - this.#counts.length * 1_000) };
  }

  /**
   * Requests in a usual second, from the first second with one. Bursts, as when another instance leaves and its clients connect
   * at once, do not change it much, because they do not predict pauses. Undefined without requests, or with a single one in more
   * than half a minute, which does not predict the next one.
   */
  get rate(): number | undefined {
    const { perSecond } = this.read();
    const sum = perSecond.reduce((total, count) => total + count, 0);
    if (sum <= 0 || (sum === 1 && perSecond.length > SINGLE_S)) return undefined;
    const seconds = perSecond.slice(perSecond.findIndex((count) => count > 0)).toSorted((a, b) => a - b);
    const empty = seconds.filter((count) => count === 0).length / seconds.length;
    return empty > MANY_EMPTY ? -Math.log(empty) : seconds[Math.floor(seconds.length / 2)];
  }

  #schedule(): void {
    const elapsed = this.#clock.now() - this.#sampledAt;
    this.#timer = this.#clock.after(Math.max(0, 1_000 - elapsed), () => {
      this.#sample();
      this.#schedule();
    });
  }

  /** One entry per second that has passed: after a stall, the requests that waited belong to its last second. */
  #sample(): void {
    const seconds = Math.floor((this.#clock.now() - this.#sampledAt) / 1_000);
    if (seconds === 0) return;
    const started = this.#started();
    const missed = Math.min(seconds - 1, MOST_S);
    this.#counts.push(...new Array<number>(missed).fill(0), started - this.#last);
    this.#last = started;
    this.#sampledAt += seconds * 1_000;
    if (this.#counts.length > this.#keep) this.#counts.splice(0, this.#counts.length - this.#keep);
  }
}
