import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Deadline } from '../../../src/lifecycle/deadline.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const never = new Promise<never>(() => {});

describe('a deadline', () => {
  test('keeps the reserve apart: first the time for work is over, then that for the trace', async () => {
    const clock = new SimulatedClock();
    const deadline = new Deadline(clock, 30_000, 2_000);
    expect([deadline.left, deadline.leftForTelemetry]).toEqual([28_000, 2_000]);
    await clock.advance(28_000);
    expect([deadline.left, deadline.leftForTelemetry]).toEqual([0, 2_000]);
    await clock.advance(1_500);
    expect([deadline.left, deadline.leftForTelemetry]).toEqual([0, 500]);
    await clock.advance(10_000);
    expect([deadline.left, deadline.leftForTelemetry]).toEqual([0, 0]);
  });

  test('a step of the wall clock does not move it', () => {
    const clock = new SimulatedClock();
    const deadline = new Deadline(clock, 30_000, 2_000);
    clock.stepWall(-3_600_000);
    expect(deadline.left).toBe(28_000);
  });

  test('work in time has its own outcome, and leaves no timer', async () => {
    const clock = new SimulatedClock();
    const deadline = new Deadline(clock, 1_000, 0);
    await expect(deadline.within(Promise.resolve('done'), 'late')).resolves.toBe('done');
    await expect(deadline.within(Promise.reject(new Error('failed')), 'late')).rejects.toThrow('failed');
    expect(clock.pending).toBe(0);
  });

  test('late work is left behind, at the deadline or at its own limit', async () => {
    const clock = new SimulatedClock();
    const deadline = new Deadline(clock, 1_000, 0);
    const ends = new Map<string, number>();
    for (const [name, mostMs] of [['own', 400] as const, ['none', undefined] as const, ['beyond', 5_000] as const])
      void deadline.within(never, name, mostMs).then((late) => ends.set(late, clock.now()));
    await clock.advance(10_000);
    expect(Object.fromEntries(ends)).toEqual({ own: 400, none: 1_000, beyond: 1_000 });
  });

  test('R24: steps one after the other never take more than the whole', async () => {
    const step = fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constant(Number.POSITIVE_INFINITY));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 30_000 }), fc.array(step, { maxLength: 10 }), async (grace, steps) => {
        const clock = new SimulatedClock();
        const deadline = new Deadline(clock, grace, grace / 4);
        let end = 0;
        void (async () => {
          for (const ms of steps) await deadline.within(never, 'late', ms);
          end = clock.now();
        })();
        await clock.advance(100_000);
        expect(end).toBeLessThanOrEqual(grace * 0.75);
        expect(clock.pending).toBe(0);
      }),
    );
  });
});
