import { cpSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { LINES, type NodeLine } from '../support/process/node-lines.ts';
import { useWorld } from '../support/process/world.ts';

const LOADED = new URL('../fixtures/apps/loaded.cjs', import.meta.url);

const world = useWorld();

/** Which modules the process has loaded that prints them. */
async function loadedBy(child: Child): Promise<readonly string[]> {
  await child.sees(/^done$/m);
  child.signal('SIGUSR2');
  const [, names = ''] = await child.sees(/^loaded (.*)$/m);
  await child.ends();
  return JSON.parse(names) as readonly string[];
}

/** Which modules of Node.js a process loads for the plugin and not otherwise, in alphabetical order. */
async function addedTo(what: string, line: NodeLine, url: string, plain: string): Promise<readonly string[]> {
  const without = await loadedBy(world().children.node(LOADED, { line, args: [what, plain] }));
  const env = world().env('own', { LOSSLESS_STRICT: 'false' });
  const child = world().children.node(LOADED, { line, args: [what, url], env });
  if (what === 'serve') await entered(child, 'warming');
  return (await loadedBy(child)).filter((name) => !without.includes(name)).sort();
}

/** What `net` loads for every server that listens, as the control server does. */
const LISTENS = ['child_process', 'cluster', 'dgram', 'dns'];

test.each(LINES)('a start loads no module of Node.js that it does not use, on Node.js %s', async (line) => {
  const { port } = await world().service('provider');
  const plain = `http://127.0.0.1:${port}/echo`;
  const added = (what: string, url: string) => addedTo(what, line, url, plain);
  // The `file:` registry names its files by digests of `crypto`.
  const allowed = new Set(['module', 'os', 'perf_hooks', 'crypto']);
  const calls = new Set([...allowed, ...LISTENS]);
  expect((await added('serve', '')).filter((name) => !allowed.has(name))).toEqual([]);
  expect((await added('http.request', 'http://provider/echo')).filter((name) => !calls.has(name))).toEqual([]);
  expect((await added('fetch', 'http://provider/echo')).filter((name) => !calls.has(name))).toEqual([]);
  expect((await added('fetch', plain)).filter((name) => !allowed.has(name))).toEqual([]);
});

test('processes leave without loss although a deployment has removed the files of the plugin', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const copy = join(world().directory, 'deployed');
  for (const name of ['dist', 'package.json']) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(join(copy, 'dist/src/register.js')).href}` };
  const [leaving] = [await world().service('shop', { env }), await world().service('shop')];
  const callers = await Promise.all(
    ['fetch', 'http'].map((client) => world().caller('http://shop/echo', 50, { client, env })),
  );
  await world().called(leaving, 10);
  rmSync(copy, { recursive: true });
  await world().leave(leaving);
  const { verdict } = await world().trace(leaving);
  expect(verdict).toMatchObject({ problems: [], whole: true, result: 'success', planned: 2, acked: 2, afterAck: 0 });
  for (const caller of callers) expect(await caller.stop()).toMatchObject({ failed: 0 });
});
