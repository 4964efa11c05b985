import { expect, test } from 'vitest';
import { MOST_AT_ONCE, Places } from '../../../../src/provider/offline/places.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** Places, all of them taken, and the names of the calls that were made beside. */
async function allTaken() {
  const clock = new SimulatedClock();
  const places = new Places(clock);
  const made: string[] = [];
  const answer = Promise.withResolvers<void>();
  const call = async (name: string, isFurther = false): Promise<void> =>
    places.take(isFurther, async () => void made.push(name));
  const taken = Array.from({ length: MOST_AT_ONCE }, () => places.take(false, () => answer.promise));
  await clock.advance(0);
  return { clock, places, made, call, answer, taken };
}

test('a call waits for a place, and a further attempt goes before all that wait', async () => {
  const { call, made, answer, taken } = await allTaken();
  const waiting = [call('one'), call('another'), call('a further attempt', true)];
  expect(made).toEqual([]);
  answer.resolve();
  await Promise.all([...taken, ...waiting]);
  expect(made).toEqual(['a further attempt', 'one', 'another']);
});

test('calls without an answer keep their places for a tenth of a second', async () => {
  const { clock, call, made } = await allTaken();
  const waiting = call('one');
  await clock.advance(99);
  expect(made).toEqual([]);
  await clock.advance(1);
  await waiting;
  expect(made).toEqual(['one']);
});

test('a call that is answered late gives no second place back', async () => {
  const { clock, places, answer, taken } = await allTaken();
  await clock.advance(100);
  let running = 0;
  const more = Array.from({ length: MOST_AT_ONCE + 10 }, () => places.take(false, () => new Promise(() => running++)));
  answer.resolve();
  await Promise.all(taken);
  await clock.advance(0);
  expect(running).toBe(MOST_AT_ONCE);
  expect(more).toHaveLength(MOST_AT_ONCE + 10);
  expect(clock.pending).toBe(MOST_AT_ONCE);
});

test('a call that fails gives its place back', async () => {
  const places = new Places(new SimulatedClock());
  for (let n = 0; n <= MOST_AT_ONCE; n++)
    await expect(places.take(false, () => Promise.reject(new Error('down')))).rejects.toThrow('down');
});
