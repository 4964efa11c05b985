import { expect, test } from 'vitest';
import { CLI } from '../support/process/cli.ts';
import { REGISTER } from '../support/process/plugin-env.ts';
import { useChildren } from '../support/process/use-children.ts';

const children = useChildren();

/** Has Node.js say that it is an older one. */
const OLDER = `data:text/javascript,${encodeURIComponent(
  'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } })',
)}`;

const LINE = 'LOSSLESS_NODE_UNSUPPORTED: expected Node.js 22.19 or later, received 20.20.2';

test('a command says in one line which Node.js it needs, and ends with 2', async () => {
  const child = children.run(process.execPath, ['--import', OLDER, CLI, 'status']);
  expect(await child.ends()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toBe(`${LINE}\n`);
});

test('an application runs on without the plugin, with one line', async () => {
  const args = ['--import', OLDER, '--import', REGISTER, '--eval', 'console.log("runs")'];
  const child = children.run(process.execPath, args, { env: { LOSSLESS_ENABLED: 'true', LOSSLESS_STRICT: 'true' } });
  expect(await child.ends()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toBe('runs\n');
  expect(child.stderr).toBe(`${LINE}; running without lossless-lifecycle\n`);
});
