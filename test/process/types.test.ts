import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { useChildren } from '../support/process/use-children.ts';

const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

const children = useChildren();

test.each([
  ['the types of the package compile where they must, and nowhere else', '../types'],
  ['the example of Nest compiles', '../../examples/nest'],
])('%s', async (_, path) => {
  const project = fileURLToPath(new URL(path, import.meta.url));
  const tsc = children.run(process.execPath, [TSC, '-p', project]);
  const ended = await tsc.ends();
  expect(tsc.stdout).toBe('');
  expect(ended).toEqual({ code: 0, signal: null });
});
