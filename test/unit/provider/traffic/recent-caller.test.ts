import { describe, expect, test } from 'vitest';
import { Telling } from '../../../../src/provider/traffic/recent-caller.ts';

/** The counts of a consumer, from the moment of its ack. */
function acked(onTheirWay: number, stranded = false): Telling {
  const telling = new Telling();
  telling.acked(onTheirWay, stranded, 1_000);
  return telling;
}

describe('a request after the ack breaks it', () => {
  test('at once when nothing was on its way', () => {
    expect(acked(0).isBrokenBy(1_001)).toBe(true);
  });

  test('when its requests in flight here are all that it reported: two long requests excuse no further one', () => {
    expect(acked(2 - 2).isBrokenBy(1_001)).toBe(true);
    expect(acked(1 - 2).isBrokenBy(1_001)).toBe(true);
  });

  test('but for as many as were on their way', () => {
    const telling = acked(2);
    expect([1, 2, 3].map((ms) => telling.isBrokenBy(1_000 + ms))).toEqual([false, false, true]);
  });

  test('and nothing is on its way for longer than five seconds', () => {
    expect(acked(2).isBrokenBy(6_001)).toBe(true);
  });

  test('nor once the consumer is idle', () => {
    const telling = acked(2);
    telling.idle();
    expect(telling.isBrokenBy(1_001)).toBe(true);
  });

  test('not while the consumer has no other instance to call', () => {
    const telling = acked(0, true);
    expect(telling.isBrokenBy(9_000)).toBe(false);
    telling.idle();
    expect(telling.isBrokenBy(9_001)).toBe(true);
  });
});
