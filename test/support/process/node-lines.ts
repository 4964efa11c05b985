import { fileURLToPath } from 'node:url';

/** Node.js lines the tests run on: the long-term ones and the oldest supported one. */
export const NODES = {
  '26': nodeOf('../node-26/'),
  '24': nodeOf('../../../'),
  '22.19': nodeOf('../node-22/'),
} as const;

/** A Node.js line. */
export type NodeLine = keyof typeof NODES;

export const LINES = Object.keys(NODES) as readonly NodeLine[];

/** The line that runs the tests; children run on it unless a test says otherwise. */
export const LINE: NodeLine = LINES.find((line) => process.versions.node.startsWith(`${line}.`)) ?? '24';

function nodeOf(folder: string): string {
  return fileURLToPath(new URL(`${folder}node_modules/node/bin/node`, import.meta.url));
}
