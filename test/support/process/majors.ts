import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The living majors of undici, and the name under which each is installed for the tests. */
export const MAJORS = { 5: 'undici5', 6: 'undici6', 7: 'undici7', 8: 'undici' } as const;

export type Major = keyof typeof MAJORS;

const root = resolve(import.meta.dirname, '../../..');

/** Further folders with a `node_modules`, as a list like PATH. */
const ELSEWHERE = (process.env['LOSSLESS_TEST_UNDICI'] ?? '').split(':').filter((path) => path !== '');

/** The folder of a major; undefined when it is not installed. */
export function installed(major: Major): string | undefined {
  const candidates = [
    join(root, 'node_modules', MAJORS[major]),
    ...ELSEWHERE.map((path) => join(path, 'node_modules/undici')),
  ];
  return candidates.find((path) => {
    const manifest = join(path, 'package.json');
    if (!existsSync(manifest)) return false;
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return version.startsWith(`${major}.`);
  });
}
