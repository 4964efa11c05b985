import { afterEach, expect, test, vi } from 'vitest';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { PageServer } from '../../../collector/server/page-server.ts';
import type { ShutdownList } from '../../../collector/server/shutdown-list.ts';
import { Store } from '../../../collector/server/store.ts';
import { shutdownBodies } from '../../support/observe/otlp.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('a list of what ended in the last minutes has another tag later, though nothing has arrived', async () => {
  vi.useFakeTimers({ now: 1_790_000_000_000, toFake: ['Date'] });
  const store = new Store({ path: ':memory:', maxAgeMs: 3_600_000, maxBytes: 2 ** 28 });
  for (const body of shutdownBodies('shop', 1).bodies) store.add(decodeOtlp(body).groups);
  const page = new PageServer(store);
  const ask = async (query: string) => {
    const data = page.data(['page', 'shutdowns'], new URLSearchParams(query));
    const list = (await data?.answer())?.body as ShutdownList | undefined;
    return { etag: data?.etag, count: list?.shutdowns.length };
  };
  const [all, recent] = [await ask(''), await ask('within=300')];
  expect(recent.count).toBe(1);
  vi.setSystemTime(Date.now() + 1_000);
  expect(await ask('within=300')).toEqual(recent);
  vi.setSystemTime(Date.now() + 309_000);
  expect(await ask('within=300')).toEqual({ etag: expect.not.stringMatching(recent.etag ?? ''), count: 0 });
  expect(await ask('')).toEqual(all);
  store.close();
});
