import { expect, test } from 'vitest';
import { creditAmong, nextTurn, type Turn } from '../../../../src/consumer/directory/rotation.ts';

/** The turns that consumers give to those who have joined, in the seconds after it: each has a hundred others, and gives four a second. */
function givenToJoined(consumers: number, joined: number, seconds: number): readonly number[] {
  const given = Array.from({ length: seconds }, () => 0);
  for (let n = 0; n < consumers; n++) {
    const turns: (Turn & { hasJoined?: true })[] = Array.from({ length: 100 }, () => ({
      share: 100,
      credit: Math.random() * 100,
    }));
    // In the middle of a round: half of them have had their turn.
    for (let m = 0; m < 450; m++) nextTurn(turns);
    for (let m = 0; m < joined; m++)
      turns.push({ share: 100, credit: creditAmong(turns.slice(0, 100)) ?? 0, hasJoined: true });
    for (let second = 0; second < seconds; second++)
      for (let m = 0; m < 4; m++) if (nextTurn(turns)?.hasJoined) given[second] = (given[second] ?? 0) + 1;
  }
  return given;
}

test('consumers that see a new instance at the same time call it at different times', () => {
  const given = givenToJoined(300, 25, 60);
  // A fifth of all turns.
  const expected = 300 * 4 * 0.2;
  expect(Math.max(...given)).toBeLessThan(expected * 1.6);
  expect(Math.min(...given)).toBeGreaterThan(expected * 0.4);
});

test('without other instances there is no credit to join', () => {
  expect(creditAmong([])).toBeUndefined();
});
