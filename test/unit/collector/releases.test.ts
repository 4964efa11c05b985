import { expect, test } from 'vitest';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { Releases } from '../../../collector/server/releases.ts';
import { Store } from '../../../collector/server/store.ts';
import { Verdicts } from '../../../collector/server/verdicts.ts';
import { judge } from '../../../src/trace/model/judge.ts';
import { summaryOf } from '../../../src/trace/model/release-summary.ts';
import type { ShownRelease } from '../../../src/trace/model/shown.ts';
import { rollBodies } from '../../support/observe/roll.ts';

const NOW = Date.now();

function setUp() {
  const store = new Store({ path: ':memory:', maxAgeMs: 1e15, maxBytes: 2 ** 30 });
  const roll = (...args: Parameters<typeof rollBodies>) => {
    for (const body of rollBodies(...args)) store.add(decodeOtlp(body).groups);
  };
  const verdicts = new Verdicts(store);
  return { store, roll, verdicts, releases: new Releases(store, verdicts) };
}

/** Asks until all of its traces have been read. */
async function whole(ask: () => Promise<ShownRelease | undefined>): Promise<ShownRelease | undefined> {
  for (;;) {
    const shown = await ask();
    if (shown === undefined || shown.unread === 0) return shown;
  }
}

test('the last release among others is found by the roots alone, and only its traces are read', async () => {
  const { releases, roll, verdicts } = setUp();
  for (let n = 0; n < 5; n++)
    roll({
      service: 'shop',
      from: `${n}`,
      to: `${n + 1}`,
      instances: 3,
      consumers: 4,
      begin: NOW - (5 - n) * 3_600_000,
    });
  const shown = await whole(() => releases.one('shop', undefined, 'latest'));
  expect(shown).toMatchObject({ name: '5', before: '4', after: null, unread: 0 });
  expect(shown && summaryOf(shown.release).sentence).toMatch(
    /^3 of 3 shutdowns lossless, 4 of 4 consumers told each, 0 requests after an ack, \d+ s, never fewer than 3 ready$/,
  );
  expect(shown && judge(shown.release.stops, NOW).verdict).toBe('lossless');
  expect(verdicts.made).toBe(6);
  // An instance that comes in one release leaves in the next.
  const former = await whole(() => releases.one('shop', undefined, '4'));
  const [start] = former?.release.starts ?? [];
  const stop = shown?.release.stops.find(({ instanceId }) => instanceId === start?.instanceId);
  expect([start?.counterpart, stop?.counterpart]).toEqual([stop?.traceId, start?.traceId]);
  expect(releases.ofTrace(stop?.traceId ?? '')).toMatchObject({ name: '5', counterpart: start?.traceId });
});

test('two services of one name in two namespaces are two', async () => {
  const { releases, roll } = setUp();
  for (const [namespace, failed] of [
    ['billing', 1],
    ['shop', 0],
  ] as const)
    roll({ service: 'cart', namespace, from: '1', to: '2', instances: 2, consumers: 2, failed, begin: NOW - 100_000 });
  const { releases: listed } = await releases.list('cart', undefined);
  const said = listed.map(({ namespace, version, judgement }) => `${namespace} ${version} ${judgement.verdict}`);
  expect(said.toSorted()).toEqual(['billing 2 lossy', 'shop 2 lossless']);
  const shown = await releases.one('cart', 'billing', 'latest');
  expect(shown?.release).toMatchObject({ namespace: 'billing', stops: { length: 2 }, starts: { length: 2 } });
});

test('the time names a release whose version came again, and a trace leads to its own release', async () => {
  const { releases, roll } = setUp();
  const [first, second, third] = [NOW - 9_000_000, NOW - 6_000_000, NOW - 3_000_000];
  roll({ service: 'shop', from: '1', to: '2', instances: 2, consumers: 1, begin: first });
  roll({ service: 'shop', from: '2', to: '1', instances: 2, consumers: 1, begin: second });
  roll({ service: 'shop', from: '1', to: '2', instances: 2, consumers: 1, begin: third });
  const { releases: listed } = await releases.list('shop', undefined);
  expect(listed.map(({ name }) => name)).toEqual(['2', '1', new Date(first).toISOString()]);
  const shown = await releases.one('shop', undefined, listed[2]?.name ?? '');
  expect(shown?.release.startedAt).toBe(first);
  expect(await releases.one('shop', undefined, '7')).toBeUndefined();
});
