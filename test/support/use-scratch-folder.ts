import { afterAll, onTestFinished, TestRunner } from 'vitest';
import { ScratchFolder } from './scratch-folder.ts';

/** A new, empty folder that is removed after the test; outside of a test, after all tests of the file or the `describe`. */
export function useScratchFolder(): string {
  const folder = new ScratchFolder();
  const after = TestRunner.getCurrentTest() === undefined ? afterAll : onTestFinished;
  after(() => folder.remove());
  return folder.path;
}
