import { cpSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { LINE, LINES, type NodeLine } from '../support/process/node-lines.ts';
import { useWorld } from '../support/process/world.ts';

const LOADED = new URL('../fixtures/apps/loaded.cjs', import.meta.url);

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

const world = useWorld();

/** The modules of Node.js and the CommonJS files that a process has loaded. */
interface Loaded {
  readonly modules: readonly string[];
  readonly files: readonly string[];
}

/** What the process has loaded that prints it. */
async function loadedBy(child: Child): Promise<Loaded> {
  await child.sees(/^done$/m);
  child.signal('SIGUSR2');
  const [, loaded = ''] = await child.sees(/^loaded (.*)$/m);
  await child.ends();
  return JSON.parse(loaded) as Loaded;
}

/** What a process with the plugin has loaded. */
async function loadedWith(what: string, line: NodeLine, url: string): Promise<Loaded> {
  const env = world().env('own', { LOSSLESS_STRICT: 'false' });
  const child = world().children.node(LOADED, { line, args: [what, url], env });
  if (what === 'serve') await entered(child, 'warming');
  return loadedBy(child);
}

/** Which modules of Node.js a process loads for the plugin and not otherwise, in alphabetical order. */
async function addedTo(what: string, line: NodeLine, url: string, plain: string): Promise<readonly string[]> {
  const without = await loadedBy(world().children.node(LOADED, { line, args: [what, plain] }));
  const { modules } = await loadedWith(what, line, url);
  return modules.filter((name) => !without.modules.includes(name)).sort();
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

test.each(['serve', 'http.request', 'fetch'])(
  '%s: the plugin is three files: itself, its errors and its registry',
  async (what) => {
    await world().service('provider');
    const { files } = await loadedWith(what, LINE, 'http://provider/echo');
    const names = files.filter((file) => file.startsWith(DIST)).map((file) => basename(file));
    expect(names.sort()).toEqual(['errors.cjs', expect.stringMatching(/^file-\w+\.cjs$/), 'start.cjs']);
  },
);

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
