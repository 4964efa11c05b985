import { asError } from '../errors.ts';
import type { Timer } from '../lifecycle/clock.ts';
import type { RegistryContext } from './open.ts';
import type { Instance, Listener } from './registry.ts';

/** First and longest wait after a round that failed, in milliseconds, before jitter. */
const RETRY_MS = { first: 200, most: 5_000 };

/** Rounds that end at once are at least so far apart, in milliseconds: a server that answers without waiting is not flooded. */
const LEAST_ROUND_MS = 20;

export interface FollowOptions {
  readonly context: RegistryContext;
  readonly listener: Listener;
  /** What is followed, for the log. */
  readonly what: string;
  /**
   * Reads the list, waits for changes as far as the registry can, and delivers each list. It is called again when it
   * resolves, and after a growing wait when it rejects. `signal` is aborted when the watch ends.
   */
  readonly round: (deliver: (instances: readonly Instance[]) => void, signal: AbortSignal) => Promise<void>;
  /** Wait between two rounds, in milliseconds, a tenth more or less; 0 for rounds that wait themselves. */
  readonly pauseMs: number;
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
export async function follow({ context, listener, what, round, pauseMs }: FollowOptions): Promise<Following> {
  const { clock, log } = context;
  const ending = new AbortController();
  const first = Promise.withResolvers<void>();
  let delivered: string | undefined;
  let timer: Timer | undefined;
  let wake: () => void = () => {};
  let failures = 0;

  const deliver = (instances: readonly Instance[]): void => {
    if (ending.signal.aborted) return;
    if (failures > 0 && delivered !== undefined) log('info', `${what} can be read again`);
    failures = 0;
    const text = JSON.stringify(instances);
    const isNew = text !== delivered;
    delivered = text;
    try {
      if (isNew) listener(instances);
    } catch {
      // A listener's failure is its own.
    }
    first.resolve();
  };
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      timer = clock.after(ms, resolve);
    });
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const began = clock.now();
      try {
        await round(deliver, ending.signal);
        await pause(Math.max(jitter(pauseMs), LEAST_ROUND_MS - (clock.now() - began)));
      } catch (thrown) {
        if (ending.signal.aborted) return;
        if (delivered === undefined) return first.reject(thrown);
        if (failures === 0)
          log('warn', `${what} cannot be read, the last list stays: ${asError(thrown).message}`, {
            code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
          });
        await pause(jitter(Math.min(RETRY_MS.first * 2 ** Math.min(failures++, 10), RETRY_MS.most)));
      }
    }
  };
  const stop = (): void => {
    ending.abort();
    timer?.cancel();
    wake();
  };
  void run();
  try {
    await first.promise;
  } catch (thrown) {
    stop();
    throw thrown;
  }
  return { stop };
}

/** A tenth more or less, so that many processes do not ask in step. */
export function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
