import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('time goes on while a test of the application has stopped its own', async () => {
  vi.useFakeTimers();
  const began = systemClock.now();
  let cancelled = true;
  systemClock
    .after(1, () => {
      cancelled = false;
    })
    .cancel();
  await new Promise<void>((resolve) => void systemClock.after(5, resolve));
  expect(systemClock.now() - began).toBeGreaterThan(3);
  expect(cancelled).toBe(true);
});
