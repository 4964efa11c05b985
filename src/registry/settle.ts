import { type Clock, sleep } from '../lifecycle/clock.ts';

/** Waits between two looks, in milliseconds; 1.5 s in all: Nacos answers for a list half a second after the call. */
const LOOKS_MS = [10, 40, 100, 150, 200, 250, 350, 400];

/**
 * Waits until a list shows what was written: some registries answer for their lists a little later than for the call. It gives
 * up in silence, also when a list cannot be read, as whoever needs to know reads the list back.
 *
 * @param isDone shown, or no longer of interest
 */
export async function settle(clock: Clock, isDone: () => Promise<boolean>): Promise<void> {
  for (const ms of LOOKS_MS) {
    if (await isDone().catch(() => true)) return;
    await sleep(clock, ms);
  }
}
