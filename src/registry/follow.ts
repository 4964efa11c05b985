import { asError } from '../errors.ts';
import { whenAborted } from '../lifecycle/abort.ts';
import { Backoff, jitter } from '../lifecycle/backoff.ts';
import { sleep, type Timer } from '../lifecycle/clock.ts';
import type { RegistryContext } from './context.ts';
import type { Instance, Listener } from './registry.ts';

/** Waits after rounds that failed: a registry that restarts is back within seconds, and its list is then five seconds old at most. */
const WAITS = { initialMs: 200, factor: 2, capMs: 5_000 };

/** Rounds that end at once are at least so far apart, in milliseconds: a server that answers without waiting is not flooded. */
const LEAST_ROUND_MS = 20;

/**
 * Least time between two lists, in milliseconds for each instance of the former, and at most: making and comparing one takes
 * up to 0.02 ms for each instance, and the application's event loop is not to be had for more than a part of that.
 */
const GAP_MS = { perInstance: 0.1, most: 2_000 };

type Instances = readonly Instance[];

/** A list, or what makes it: that is called when the list is due, so not for each change of a long one. */
type Listed = Instances | (() => Instances);

/**
 * Reads the list, waits for changes as far as the registry can, and delivers each list. It is called again when it has
 * resolved, with the wait until then in milliseconds, and after a growing wait when it rejects. `signal` is aborted when the watch ends.
 */
export type Round = (deliver: (list: Listed) => void, signal: AbortSignal) => Promise<number>;

export interface FollowOptions {
  readonly context: RegistryContext;
  readonly listener: Listener;
  /** What is followed, for the log. */
  readonly what: string;
  readonly round: Round;
}

/**
 * Follows the list of a service until `signal` is aborted: the first one is delivered before it resolves, later ones when they
 * differ. When the registry fails the last list stays, and it is asked again.
 *
 * @throws whatever the first round fails with before it delivers; Error when it was ended before
 */
export function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  return new Follower(options, signal).start();
}

class Follower {
  readonly #options: FollowOptions;
  readonly #signal: AbortSignal;
  readonly #backoff = new Backoff(WAITS);
  readonly #first = Promise.withResolvers<void>();
  #delivered: string | undefined;
  /** From when on the next list may be delivered, on the monotonic clock. */
  #freeAt = 0;
  /** The list that waits until then. */
  #waiting: Listed | undefined;
  #due: Timer | undefined;
  #isFailing = false;

  constructor(options: FollowOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Resolves with the first list. */
  start(): Promise<void> {
    void this.#run();
    whenAborted(this.#signal, () => {
      this.#due?.cancel();
      this.#first.reject(new Error('it was ended before its first list'));
    });
    return this.#first.promise;
  }

  async #run(): Promise<void> {
    const { context, round } = this.#options;
    const { clock } = context;
    while (!this.#signal.aborted) {
      const began = clock.now();
      try {
        const pauseMs = await round((list) => this.#take(list), this.#signal);
        const now = clock.now();
        const waitMs = Math.max(jitter(pauseMs), LEAST_ROUND_MS - (now - began), this.#freeAt - now);
        await sleep(clock, waitMs, this.#signal);
      } catch (thrown) {
        if (this.#signal.aborted) return;
        if (this.#delivered === undefined) return this.#first.reject(thrown);
        this.#failed(thrown);
        await sleep(clock, this.#backoff.next(), this.#signal);
      }
    }
  }

  #failed(thrown: unknown): void {
    const { context, what } = this.#options;
    if (!this.#isFailing)
      context.log('warn', `${what} cannot be read, the last list stays: ${asError(thrown).message}`, {
        code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
      });
    this.#isFailing = true;
  }

  #take(list: Listed): void {
    const { context, what } = this.#options;
    if (this.#signal.aborted) return;
    if (this.#isFailing) context.log('info', `${what} can be read again`);
    this.#isFailing = false;
    this.#backoff.reset();
    const early = this.#freeAt - context.clock.now();
    if (this.#delivered === undefined || early <= 0) {
      this.#deliver(list);
      return;
    }
    this.#waiting = list;
    this.#due ??= context.clock.after(early, () => {
      if (this.#waiting !== undefined) this.#deliverLate(this.#waiting);
    });
  }

  #deliverLate(list: Listed): void {
    try {
      this.#deliver(list);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #deliver(list: Listed): void {
    this.#due?.cancel();
    this.#due = undefined;
    this.#waiting = undefined;
    const instances = typeof list === 'function' ? list() : list;
    const text = JSON.stringify(instances);
    const isNew = text !== this.#delivered;
    this.#delivered = text;
    this.#freeAt = this.#options.context.clock.now() + Math.min(instances.length * GAP_MS.perInstance, GAP_MS.most);
    try {
      if (isNew) this.#options.listener(instances);
    } catch {
      // A listener's failure is its own.
    }
    this.#first.resolve();
  }
}
