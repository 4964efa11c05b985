import { Backoff } from '../lifecycle/backoff.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';

/** Waits after looks, 1.3 to 1.7 s in all: Nacos answers for a list half a second after the call. */
const WAITS = { initialMs: 20, factor: 2, capMs: 350 };
const MOST_LOOKS = 8;

/**
 * Waits until a list shows what was written: some registries answer for their lists a little later than for the call. It gives
 * up in silence, also when a list cannot be read, as whoever needs to know reads the list back.
 *
 * @param isDone shown, or no longer of interest
 */
export async function settle(clock: Clock, isDone: () => Promise<boolean>): Promise<void> {
  const backoff = new Backoff(WAITS);
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    if (await isDone().catch(() => true)) return;
    await sleep(clock, backoff.next());
  }
}
