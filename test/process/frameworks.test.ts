import { afterAll, beforeAll, expect, test } from 'vitest';
import { COVERAGE } from '../support/coverage.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { newChildren } from '../support/process/use-children.ts';
import { World } from '../support/process/world.ts';

const FRAMEWORKS = new URL('../fixtures/apps/frameworks.ts', import.meta.url);

/** How the application ends where it decides that itself. */
const ENDINGS: Readonly<Record<string, object>> = {
  'http-terminator': { code: 7, signal: null },
  'close-with-grace': { code: 0, signal: null },
};

/** What calls it, where not any POST is answered. */
const CLIENTS: Readonly<Record<string, string>> = {
  'graphql-yoga': 'graphql',
  'apollo-server': 'graphql',
  trpc: 'trpc',
};

const names = COVERAGE.filter(({ test: [file] }) => file === 'frameworks.test.ts').map(({ name }) => name);

let world: World;
beforeAll(async () => {
  world = new World(newChildren(), await embeddedCollector());
});
afterAll(() => world?.close());

test.each(names)('%s leaves without losing a request', async (kind) => {
  const name = kind.replaceAll(/\W+/g, '-');
  const service = () => world.service(name, { kind, file: FRAMEWORKS, env: { LOSSLESS_WARMUP_MS: '0' } });
  const [leaving] = await Promise.all([service(), service()]);
  const caller = await world.caller(`http://${name}/echo`, 50, { client: CLIENTS[kind] ?? 'fetch' });
  await world.called(leaving);
  const ending = await world.leave(leaving);
  const { verdict } = await world.trace(leaving);
  expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  expect(ending).toEqual(ENDINGS[kind] ?? { code: null, signal: 'SIGTERM' });
  expect(verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1, afterAck: 0, problems: [] });
});
