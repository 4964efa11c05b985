import { afterAll, onTestFinished, TestRunner } from 'vitest';

/** Runs `work` after the current test; outside of a test, after all tests of the file or the `describe`. The last work runs first. */
export function afterwards(work: () => unknown): void {
  const after = TestRunner.getCurrentTest() === undefined ? afterAll : onTestFinished;
  after(async () => void (await work()));
}
