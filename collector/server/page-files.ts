import { readFileSync } from 'node:fs';

/** Where the build puts the files of the page; a run from the sources uses those of the last build. */
const FOLDER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/collector/page/' : '../page/', import.meta.url);

/** The runbooks in the package. */
const RUNBOOKS = new URL(`${import.meta.url.endsWith('.ts') ? '../..' : '../../..'}/docs/runbooks/`, import.meta.url);

/** A runbook by its name; undefined when there is none. */
export function runbookFile(name: string): Buffer | undefined {
  if (!/^Lossless[A-Za-z]{1,60}\.md$/.test(name)) return undefined;
  try {
    return readFileSync(new URL(name, RUNBOOKS));
  } catch {
    return undefined;
  }
}

/** A file of the page. @throws Error when it has not been built */
export function pageFile(name: string): Buffer {
  try {
    return readFileSync(new URL(name, FOLDER));
  } catch {
    throw new Error('the page has not been built: npm run build');
  }
}
