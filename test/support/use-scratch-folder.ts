import { afterwards } from './afterwards.ts';
import { ScratchFolder } from './scratch-folder.ts';

/** A new, empty folder that is removed after the test; outside of a test, after all tests of the file or the `describe`. */
export function useScratchFolder(): string {
  const folder = new ScratchFolder();
  afterwards(() => folder.remove());
  return folder.path;
}
