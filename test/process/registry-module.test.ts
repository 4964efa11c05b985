import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { appPortOf } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { spansOf, useWorld } from '../support/process/world.ts';

const APP = new URL('../fixtures/apps/app.ts', import.meta.url);

const world = useWorld();

/** Starts a service whose registry is a module with this text. */
function service(text: string, env: Readonly<Record<string, string>> = {}): Child {
  const file = join(world().directory, 'own.mjs');
  writeFileSync(file, text);
  return world().children.node(APP, {
    env: world().env('provider', { LOSSLESS_REGISTRY: `own://host?module=${file}`, LOSSLESS_STRICT: 'false', ...env }),
    args: ['http', '5', '0', '127.0.0.1'],
  });
}

/** What the service answers. */
async function answers(child: Child): Promise<number> {
  return (await fetch(`http://127.0.0.1:${await appPortOf(child)}/`)).status;
}

function linesOf({ stderr }: Child): readonly { readonly code?: string }[] {
  return stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** A backend whose parts can be other ones. */
const backend = (parts: string): string => `export const openBackend = () => ({
  title: 'Own', address: 'there', capabilities: { push: false, lagMs: 1, expires: true }, beatMs: 1000,
  async write() {}, async beat() {}, async remove() {}, async list() { return []; },
  rounds: () => async (deliver) => { deliver([]); return 100; }, ${parts} });`;

describe('a module that is no registry costs one log line, and the service runs without the plugin', () => {
  test.each([
    ['throws', "throw new Error('not today');", 'cannot be loaded: not today'],
    ['exports nothing', '', 'it exports nothing'],
    ['opens no backend', 'export const openBackend = () => {};', 'gives no backend: it is no object'],
    ['never opens', 'export const openBackend = () => new Promise(() => {});', 'has not opened within 10000 ms'],
  ])('a module that %s', async (_, text, says) => {
    const child = service(text);
    expect(await answers(child)).toBe(200);
    await child.sees(/LOSSLESS_START_FAILED/);
    expect(await answers(child)).toBe(200);
    expect(linesOf(child).filter(({ code }) => code !== undefined)).toEqual([
      expect.objectContaining({
        code: 'LOSSLESS_START_FAILED',
        msg: expect.stringMatching(
          `^started without lossless-lifecycle: LOSSLESS_REGISTRY_MODULE: .*/own.mjs .*${says}`,
        ),
      }),
    ]);
    for (const [, port = ''] of child.stderr.matchAll(/control server listens on port (\d+)/g))
      await expect(fetch(`http://127.0.0.1:${port}/liveness`)).rejects.toThrow();
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  test('and under LOSSLESS_STRICT it does not start', async () => {
    const child = service('', { LOSSLESS_STRICT: 'true' });
    expect(await child.ends()).toEqual({ code: 78, signal: null });
    expect(child.stderr).toMatch(/^LOSSLESS_START_FAILED: .*LOSSLESS_REGISTRY_MODULE/);
  });
});

describe('a service serves and leaves, whatever its registry does', () => {
  test.each([
    ['never takes an entry', 'write: () => new Promise(() => {})', /its write has not ended within 3000 ms/],
    ['refuses each entry', "write() { throw new Error('read only'); }", /read only/],
    ['lists nonsense', "async list() { return [null, 'x', { instanceId: 7 }]; }", /LOSSLESS_REGISTRY_CORRUPT/],
    ['answers a number as its list', 'async list() { return 7; }', /expected a list of instances/],
  ])('a registry that %s', async (_, parts, says) => {
    const child = service(backend(parts));
    expect(await answers(child)).toBe(200);
    await child.sees(says);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    const trace = await world().trace({ child, port: 0 });
    expect(spansOf(trace, 'offline')).toHaveLength(1);
    expect(trace.verdict.whole).toBe(true);
  });
});
