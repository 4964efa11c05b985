import { fileURLToPath } from 'node:url';

/** The command `lossless` as it is published. */
export const CLI = fileURLToPath(new URL('../../../dist/src/cli/main.js', import.meta.url));
