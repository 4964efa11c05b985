import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildLastVersion, hasLastVersion, LAST_VERSION } from '../support/process/last-version.ts';
import { REGISTER } from '../support/process/plugin-env.ts';
import { type Caller, type Service, useWorld } from '../support/process/world.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const world = useWorld();
const folder = useScratchFolder();

const SECRET = { LOSSLESS_SECRET: 'a secret of both versions', LOSSLESS_HOLD_MS: '2000' };

if (!hasLastVersion())
  console.warn(`skipped: this clone has no commit ${LAST_VERSION.commit} of ${LAST_VERSION.version}`);

describe.skipIf(!hasLastVersion())(`a fleet of ${LAST_VERSION.version} and of this version`, () => {
  const entries = { old: '', new: REGISTER };
  type Version = keyof typeof entries;

  beforeAll(() => {
    entries.old = buildLastVersion(folder);
    const manifest = JSON.parse(readFileSync(`${folder}/package/package.json`, 'utf8')) as { version: string };
    expect(manifest.version).toBe(LAST_VERSION.version);
  }, 120_000);

  const envOf = (version: Version, more: Readonly<Record<string, string>> = {}) => ({
    NODE_OPTIONS: `--import=${entries[version]}`,
    ...more,
  });
  const start = (version: Version, more: Readonly<Record<string, string>> = {}): Promise<Service> =>
    world().service('provider', { env: envOf(version, more) });
  const call = (version: Version, more: Readonly<Record<string, string>> = {}): Promise<Caller> =>
    world().caller('http://provider/echo', 50, { name: `caller-${version}`, env: envOf(version, more) });

  /** One of two providers leaves. */
  async function leaves(provider: Version, consumer: Version, more: Readonly<Record<string, string>> = {}) {
    const leaving = await start(provider, more);
    await start(provider, more);
    const caller = await call(consumer, more);
    await world().called(leaving);
    await world().leave(leaving);
    const { verdict } = await world().trace(leaving);
    const { failed } = await caller.stop();
    const { result, planned, acked } = verdict;
    return { result, planned, acked, failed };
  }

  test.each([
    ['old', 'new'],
    ['new', 'old'],
    ['old', 'old'],
  ] satisfies [Version, Version][])('a provider that is %s tells a consumer that is %s', async (provider, consumer) => {
    expect(await leaves(provider, consumer)).toEqual({ result: 'success', planned: 1, acked: 1, failed: 0 });
  });

  test('with a secret an old provider is believed by a new consumer', async () => {
    expect(await leaves('old', 'new', SECRET)).toEqual({ result: 'success', planned: 1, acked: 1, failed: 0 });
  });

  test('with a secret an old consumer is a caller without the plugin for a new provider, and loses nothing', async () => {
    expect(await leaves('new', 'old', SECRET)).toMatchObject({ planned: 0, acked: 0, failed: 0 });
  });

  test.each([
    ['without a secret', {}],
    ['with a secret', SECRET],
  ])('a release of the plugin itself and its undoing, %s and under load: no request fails', async (_, more) => {
    const serving = [await start('old', more), await start('old', more)];
    const callers = [await call('old', more), await call('new', more)];
    for (const version of ['new', 'new', 'old', 'old'] satisfies Version[]) {
      serving.push(await start(version, more));
      const leaving = serving.shift() as Service;
      await world().called(leaving);
      expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
    }
    for (const caller of callers) {
      const { sent, failed } = await caller.stop();
      expect(failed).toBe(0);
      expect(sent).toBeGreaterThan(100);
    }
  });
});
