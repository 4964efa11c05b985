import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The lines of Node.js for the tests, the long-term ones and the oldest supported one, and the folder of each. */
const FOLDERS = { '26': '../node-26/', '24': '../../../', '22.19': '../node-22/' } as const;

/** A Node.js line. */
export type NodeLine = keyof typeof FOLDERS;

const nodeOf = (line: NodeLine): string =>
  fileURLToPath(new URL(`${FOLDERS[line]}node_modules/node/bin/node`, import.meta.url));

const isInstalled = (line: NodeLine): boolean => existsSync(nodeOf(line));

/** The installed ones: `npm ci` brings 24 alone. */
export const LINES: readonly NodeLine[] = (['26', '24', '22.19'] as const).filter(isInstalled);

/** The program of each line; the program of 24 replaces a missing one. */
export const NODES = {
  '26': nodeOf(isInstalled('26') ? '26' : '24'),
  '24': nodeOf('24'),
  '22.19': nodeOf(isInstalled('22.19') ? '22.19' : '24'),
} as const;

/** The line that runs the tests; children run on it unless a test says otherwise. */
export const LINE: NodeLine = LINES.find((line) => process.versions.node.startsWith(`${line}.`)) ?? '24';
