import { afterAll, onTestFinished, TestRunner } from 'vitest';

/** Does this after the test that runs; outside of one, after all tests of the file or the `describe`. The last one is done first. */
export function afterwards(work: () => unknown): void {
  const after = TestRunner.getCurrentTest() === undefined ? afterAll : onTestFinished;
  after(async () => void (await work()));
}
