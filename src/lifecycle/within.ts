import type { Clock } from './clock.ts';

/**
 * Settles like `work`, or like `late` when `ms` milliseconds pass first. The timer ends with it; later results of `work` are
 * ignored.
 */
export async function within<T, L>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  late: () => L | Promise<L>,
): Promise<T | L> {
  const over = Promise.withResolvers<void>();
  const timer = clock.after(ms, over.resolve);
  try {
    return await Promise.race([work, over.promise.then(late)]);
  } finally {
    timer.cancel();
  }
}
