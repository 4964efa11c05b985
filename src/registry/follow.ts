import { asError } from '../errors.ts';
import { whenAborted } from '../lifecycle/abort.ts';
import { Backoff, jitter } from '../lifecycle/backoff.ts';
import { sleep, type Timer } from '../lifecycle/clock.ts';
import type { RegistryContext } from './context.ts';
import type { Instance, Listener } from './registry.ts';

/** Waits after failed rounds: a restarted registry is back within seconds, and its list is then at most five seconds old. */
const WAITS = { initialMs: 200, factor: 2, capMs: 5_000 };

/** Least time between rounds, in milliseconds, so that a server that answers at once is not flooded. */
const LEAST_ROUND_MS = 20;

/**
 * Least time between two lists, in milliseconds for each instance of the former one, and its largest value. Making and comparing
 * a list takes up to 0.02 ms for each instance, and the plugin may use only a small part of the application's event loop.
 */
const GAP_MS = { perInstance: 0.1, most: 2_000 };

type Instances = readonly Instance[];

/** A list, or a function that makes it, which is called when the list is due, not for each change of a long one. */
type Listed = Instances | (() => Instances);

/**
 * One round: reads the list, waits for changes as far as the registry can, and delivers each list. It resolves with the wait
 * before the next round, in milliseconds; after a rejection the wait grows. `signal` is aborted when the watch ends.
 */
export type Round = (deliver: (list: Listed) => void, signal: AbortSignal) => Promise<number>;

export interface FollowOptions {
  readonly context: RegistryContext;
  readonly listener: Listener;
  /** Name of the list, for the log. */
  readonly what: string;
  readonly round: Round;
}

/**
 * Follows the list of a service until `signal` is aborted: the first one is delivered before it resolves, later ones when they
 * differ. When the registry fails, the last list stays, and the next round follows.
 *
 * @throws the error of the first round before its first list; Error when the watch ended before
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
  /** Monotonic time from which the next list may be delivered. */
  #freeAt = 0;
  /** The list that waits for that time. */
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
      // An error of a listener does not affect the watch.
    }
    this.#first.resolve();
  }
}
