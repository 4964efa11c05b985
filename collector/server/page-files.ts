import { readFileSync } from 'node:fs';

/** Where the build puts the files of the page; from the sources, those of the last build. */
const FOLDER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/collector/page/' : '../page/', import.meta.url);

/** A file of the page. @throws Error when it has not been built */
export function pageFile(name: string): Buffer {
  try {
    return readFileSync(new URL(name, FOLDER));
  } catch {
    throw new Error('the page has not been built: npm run build');
  }
}
