import { describe, expect, test } from 'vitest';
import { Curve } from '../../../../src/provider/traffic/curve.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** A curve of a counter that grows by `perSecond` in the middle of each second. */
function curve() {
  const clock = new SimulatedClock();
  let started = 0;
  const subject = new Curve(clock, () => started);
  subject.start();
  return {
    clock,
    subject,
    add: (count: number) => {
      started += count;
    },
    async seconds(count: number, perSecond: number) {
      for (let second = 0; second < count; second++) {
        await clock.advance(500);
        started += perSecond;
        await clock.advance(500);
      }
    },
  };
}

describe('the curve of requests', () => {
  test('has one number for each second, the running one last, and says when the first began', async () => {
    const it = curve();
    const begun = it.clock.wall();
    await it.seconds(2, 5);
    await it.seconds(1, 0);
    it.add(3);
    await it.clock.advance(250);
    expect(it.subject.read()).toEqual({ perSecond: [5, 5, 0, 3], since: begun });
  });

  test('keeps the last minute, and from the start of an offline all of them', async () => {
    const it = curve();
    await it.seconds(100, 1);
    expect(it.subject.read().perSecond).toEqual([...new Array(60).fill(1), 0]);
    it.subject.hold();
    await it.seconds(50, 2);
    const { perSecond, since } = it.subject.read();
    expect(perSecond).toEqual([...new Array(60).fill(1), ...new Array(50).fill(2), 0]);
    expect(since).toBe(it.clock.wall() - 110_000);
  });

  test('an undo goes back to a minute', async () => {
    const it = curve();
    it.subject.hold();
    await it.seconds(90, 1);
    it.subject.release();
    await it.seconds(1, 2);
    expect(it.subject.read().perSecond).toEqual([...new Array(59).fill(1), 2, 0]);
  });

  test('a drain of hours stays below a thousand numbers', async () => {
    const it = curve();
    it.subject.hold();
    await it.seconds(2_000, 1);
    expect(it.subject.read().perSecond).toHaveLength(901);
  });

  test('a stall leaves its seconds empty, and what waited belongs to the last of them', async () => {
    const it = curve();
    const begun = it.clock.wall();
    await it.seconds(1, 5);
    it.clock.stall(3_400);
    it.add(7);
    await it.clock.advance(0);
    expect(it.subject.read()).toEqual({ perSecond: [5, 0, 0, 7, 0], since: begun });
    await it.clock.advance(600);
    expect(it.subject.read()).toEqual({ perSecond: [5, 0, 0, 7, 0, 0], since: begun });
  });

  test('a laptop that slept for a week costs no memory', async () => {
    const it = curve();
    it.subject.hold();
    it.clock.stall(7 * 86_400_000);
    await it.clock.advance(0);
    const { perSecond, since } = it.subject.read();
    expect(perSecond).toHaveLength(901);
    expect(since).toBe(it.clock.wall() - 900_000);
  });

  test.each([
    ['none', 0, 5, undefined],
    ['a single arrival a moment ago', 1, 0, 1],
    ['a single arrival in a short life', 1, 4, -Math.log(4 / 5)],
    ['a single arrival in more than half a minute', 1, 40, undefined],
    ['several arrivals at once', 3, 2, -Math.log(2 / 3)],
  ])('the rate: %s', async (_, count, secondsSince, rate) => {
    const it = curve();
    // Seconds before the first one tell nothing of it.
    if (count > 0 && secondsSince < 30) await it.seconds(3, 0);
    it.add(count);
    await it.seconds(secondsSince, 0);
    expect(it.subject.rate).toBe(rate);
  });

  test('the rate: clients that all connect at once do not count as a usual second', async () => {
    const it = curve();
    it.add(12);
    for (let n = 0; n < 10; n++) {
      await it.seconds(1, 0);
      it.add(1);
      await it.seconds(1, 0);
    }
    expect(it.subject.rate).toBe(-Math.log(10 / 21));
  });

  test('the rate: for steady arrivals the median second counts', async () => {
    const it = curve();
    for (let n = 0; n < 60; n++) {
      it.add(n === 7 ? 400 : 18 + (n % 5));
      await it.seconds(1, 0);
    }
    expect(it.subject.rate).toBe(20);
  });

  test('nothing is sampled after its stop', async () => {
    const it = curve();
    it.subject.stop();
    expect(it.clock.pending).toBe(0);
  });
});
