import { expect, test } from 'vitest';
import { MOST_AT_ONCE, Places } from '../../../../src/provider/offline/places.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const allTaken = () => takenBut(0);
const allButOneTaken = () => takenBut(1);

/** Places, all but so many of them taken, and the names of the calls that were made beside. */
async function takenBut(free: number) {
  const clock = new SimulatedClock();
  const places = new Places(clock);
  const made: string[] = [];
  const answer = Promise.withResolvers<void>();
  const call = async (name: string, isFurther = false): Promise<void> =>
    places.take(isFurther, async () => void made.push(name));
  const taken = Array.from({ length: MOST_AT_ONCE - free }, () => places.take(false, () => answer.promise));
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

test('a call that a later one has overtaken loses its place, within a tenth of a second', async () => {
  const { clock, places, call, made, answer } = await allButOneTaken();
  void places.take(false, async () => {});
  await clock.advance(0);
  void places.take(false, () => new Promise(() => {}));
  const waiting = call('one');
  await clock.advance(99);
  expect(made).toEqual([]);
  await clock.advance(1);
  await waiting;
  expect(made).toEqual(['one']);
  // A late answer gives no second place back.
  let running = 0;
  for (let n = 0; n < MOST_AT_ONCE + 10; n++) void places.take(false, () => new Promise(() => running++));
  answer.resolve();
  await clock.advance(0);
  expect(running).toBe(MOST_AT_ONCE);
});

test('while no later call is answered, every call keeps its place', async () => {
  const { clock, call, made, answer } = await allTaken();
  const waiting = call('one');
  await clock.advance(5_000);
  expect(made).toEqual([]);
  answer.resolve();
  await waiting;
});

test('a call that fails gives its place back', async () => {
  const places = new Places(new SimulatedClock());
  for (let n = 0; n <= MOST_AT_ONCE; n++)
    await expect(places.take(false, () => Promise.reject(new Error('down')))).rejects.toThrow('down');
});
