import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { KnownServices } from '../../../../src/consumer/directory/known-services.ts';
import { until } from '../../../support/until.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

let directory: string;
beforeEach(() => {
  directory = useScratchFolder();
});

const kept = (): unknown => {
  try {
    return JSON.parse(readFileSync(join(directory, 'front.calls'), 'utf8'));
  } catch {
    return undefined;
  }
};

test('a service that is first called while the file is written is remembered too', async () => {
  const known = new KnownServices(directory, 'front', () => {});
  known.add('first');
  // The file is begun in the microtask after this one, and takes turns of the event loop.
  await Promise.resolve();
  await Promise.resolve();
  known.add('second');
  await until(() => JSON.stringify(kept()) === '["second","first"]');
  expect(new KnownServices(directory, 'front', () => {}).names).toEqual(['second', 'first']);
});

test('services that another instance has remembered meanwhile stay', async () => {
  const [one, other] = [0, 1].map(() => new KnownServices(directory, 'front', () => {}));
  expect(one?.names).toEqual([]);
  other?.add('of-the-other');
  await until(() => kept() !== undefined);
  one?.add('of-the-one');
  await until(() => (kept() as string[]).length === 2);
  expect(kept()).toEqual(['of-the-one', 'of-the-other']);
});

test('services without calls move to the end and make room', async () => {
  const old = Array.from({ length: 50 }, (_, n) => `old-${n}`);
  writeFileSync(join(directory, 'front.calls'), JSON.stringify(old));
  const known = new KnownServices(directory, 'front', () => {});
  known.add('old-49');
  await until(() => (kept() as string[])[0] === 'old-49');
  expect(kept()).toEqual(['old-49', ...old.slice(0, -1)]);
  known.add('new');
  await until(() => (kept() as string[])[0] === 'new');
  expect(kept()).toEqual(['new', 'old-49', ...old.slice(0, -2)]);
});

test('calls of further services do not write the full file again', async () => {
  const known = new KnownServices(directory, 'front', () => {});
  for (let n = 0; n < 60; n++) known.add(`service-${n}`);
  await until(() => (kept() as unknown[] | undefined)?.length === 50);
  rmSync(join(directory, 'front.calls'));
  for (let n = 0; n < 60; n++) known.add(`service-${n}`);
  await new Promise((resolve) => setImmediate(resolve));
  expect(known.names).toHaveLength(50);
  expect(kept()).toBeUndefined();
});
