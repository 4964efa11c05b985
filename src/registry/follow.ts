import { asError } from '../errors.ts';
import type { Timer } from '../lifecycle/clock.ts';
import type { RegistryContext } from './context.ts';
import type { Instance, Listener } from './registry.ts';

/** First and longest wait after a round that failed, in milliseconds, before jitter. */
const RETRY_MS = { first: 200, most: 5_000 };

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

/** A watch that has delivered its first list. */
export interface Following {
  stop(): void;
}

/**
 * Follows the list of a service: the first one is delivered before it resolves, later ones when they differ. When the
 * registry fails the last list stays, and it is asked again.
 *
 * @throws whatever the first round fails with before it delivers
 */
export async function follow(options: FollowOptions): Promise<Following> {
  const follower = new Follower(options);
  try {
    await follower.start();
  } catch (thrown) {
    follower.stop();
    throw thrown;
  }
  return follower;
}

class Follower implements Following {
  readonly #options: FollowOptions;
  readonly #ending = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #delivered: string | undefined;
  /** From when on the next list may be delivered, on the monotonic clock. */
  #freeAt = 0;
  /** The list that waits until then. */
  #waiting: Listed | undefined;
  #due: Timer | undefined;
  #pause: Timer | undefined;
  #wake: () => void = () => {};
  #failures = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Resolves with the first list. */
  start(): Promise<void> {
    void this.#run();
    return this.#first.promise;
  }

  stop(): void {
    this.#ending.abort();
    this.#due?.cancel();
    this.#pause?.cancel();
    this.#wake();
  }

  async #run(): Promise<void> {
    const { context, round } = this.#options;
    const { clock } = context;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const began = clock.now();
      try {
        const pauseMs = await round((list) => this.#take(list), signal);
        const now = clock.now();
        await this.#wait(Math.max(jitter(pauseMs), LEAST_ROUND_MS - (now - began), this.#freeAt - now));
      } catch (thrown) {
        if (signal.aborted) return;
        if (this.#delivered === undefined) return this.#first.reject(thrown);
        this.#failed(thrown);
        await this.#wait(jitter(Math.min(RETRY_MS.first * 2 ** Math.min(this.#failures - 1, 10), RETRY_MS.most)));
      }
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#pause = this.#options.context.clock.after(ms, resolve);
    });
  }

  #failed(thrown: unknown): void {
    const { context, what } = this.#options;
    if (this.#failures++ === 0)
      context.log('warn', `${what} cannot be read, the last list stays: ${asError(thrown).message}`, {
        code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
      });
  }

  #take(list: Listed): void {
    const { context, what } = this.#options;
    if (this.#ending.signal.aborted) return;
    if (this.#failures > 0) context.log('info', `${what} can be read again`);
    this.#failures = 0;
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

/** A tenth more or less, so that many processes do not ask in step. */
export function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
