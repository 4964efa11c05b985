import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import { useChildren } from '../support/process/use-children.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';
import { testRegistry } from './registry.ts';

const directory = useScratchFolder();
const url = pathToFileURL(directory);
const children = useChildren();

testRegistry('file', {
  open: () => openRegistry(url, { clock: systemClock, log: () => {} }),
  async corrupt(service) {
    for (const [i, text] of ['', '{', 'null', '[]', '{"pid":1}', 'x'.repeat(20_000), '\u0000\uffff'].entries())
      writeFileSync(join(directory, service, `${i}.json`), text);
  },
  async breakDown(service) {
    const path = join(directory, service);
    renameSync(path, `${path}.aside`);
    writeFileSync(path, 'a file where a directory is expected');
    return async () => {
      rmSync(path);
      renameSync(`${path}.aside`, path);
    };
  },
  async otherProcess(instance) {
    const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
      args: [url.href, JSON.stringify(instance)],
    });
    await child.sees(/registered/);
    return { kill: () => child.signal('SIGKILL') };
  },
  expiryMs: 100,
  heartbeatMs: 1_000,
});

// Nothing that was being written is left.
afterAll(() => {
  const left = readdirSync(directory, { recursive: true }).filter((name) => /(^|[\\/])\.\d/.test(String(name)));
  if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
});
