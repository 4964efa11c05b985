import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isMissing } from '../support/left-out.ts';
import { useChildren } from '../support/process/use-children.ts';

const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

const children = useChildren();

async function compiles(path: string): Promise<void> {
  const project = fileURLToPath(new URL(path, import.meta.url));
  const tsc = children.run(process.execPath, [TSC, '-p', project]);
  const ended = await tsc.ends();
  expect(tsc.stdout).toBe('');
  expect(ended).toEqual({ code: 0, signal: null });
}

test('the types of the package compile where they must, and nowhere else', () => compiles('../types'));

test.skipIf(isMissing('test/packages'))('the example of Nest compiles', () => compiles('../../examples/nest'));
