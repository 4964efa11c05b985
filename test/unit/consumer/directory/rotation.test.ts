import { expect, test } from 'vitest';
import { nextTurn, seat, type Turn } from '../../../../src/consumer/directory/rotation.ts';

const starting = (share: number): Turn => ({ share, credit: 0, isNew: true });

/** The turns that consumers give to those who have joined, in the seconds after it: each has a hundred others, and gives four a second. */
function givenToJoined(consumers: number, joined: number, seconds: number): readonly number[] {
  const given = Array.from({ length: seconds }, () => 0);
  for (let n = 0; n < consumers; n++) {
    const turns: (Turn & { hasJoined?: true })[] = Array.from({ length: 100 }, () => starting(100));
    seat(turns);
    // In the middle of a round: half of them have had their turn.
    for (let m = 0; m < 450; m++) nextTurn(turns);
    for (let m = 0; m < joined; m++) turns.push({ ...starting(100), hasJoined: true });
    seat(turns);
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

test('consumers that begin at the same time do not come to the light ones together, round after round', () => {
  const shares = Array.from({ length: 30 }, (_, n) => [50, 100, 200][n % 3] ?? 0);
  const round = shares.reduce((sum, share) => sum + share, 0);
  const given = Array.from({ length: 8 }, () => shares.map(() => 0));
  for (let consumer = 0; consumer < 1_000; consumer++) {
    const turns = shares.map((share, n) => ({ ...starting(share), n }));
    seat(turns);
    for (const window of given)
      for (let m = 0; m < shares.length; m++) {
        const n = nextTurn(turns)?.n ?? 0;
        window[n] = (window[n] ?? 0) + 1;
      }
  }
  const off = given.flatMap((window) =>
    window.map((turns, n) => Math.abs(turns / ((1_000 * shares.length * (shares[n] ?? 0)) / round) - 1)),
  );
  expect(Math.max(...off)).toBeLessThan(0.25);
});
