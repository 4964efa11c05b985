import { Backoff } from '../lifecycle/backoff.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';

/** Waits between reads, 1.3 to 1.7 s in all: Nacos updates a list half a second after the call. */
const WAITS = { initialMs: 20, factor: 2, capMs: 350 };
const MOST_LOOKS = 8;

/**
 * Waits until a list shows a write: some registries update their lists a little after the call. It gives up silently, also when a
 * list cannot be read, because callers that need certainty read the list back.
 *
 * @param isDone whether the list shows it, or it no longer matters
 */
export async function settle(clock: Clock, isDone: () => Promise<boolean>): Promise<void> {
  const backoff = new Backoff(WAITS);
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    if (await isDone().catch(() => true)) return;
    await sleep(clock, backoff.next());
  }
}
