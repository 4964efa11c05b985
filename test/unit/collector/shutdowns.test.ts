import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../../collector/server/database.ts';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { Shutdowns } from '../../../collector/server/shutdowns.ts';
import { Store } from '../../../collector/server/store.ts';
import { Verdicts } from '../../../collector/server/verdicts.ts';
import { shutdownBodies } from '../../support/observe/otlp.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const NOW = 1_790_000_000_000;
const ALL = { before: Number.MAX_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER, endedSince: 0 };

function setUp() {
  const store = new Store({ path: ':memory:', maxAgeMs: 1e15, maxBytes: 2 ** 28 });
  const add = (...args: Parameters<typeof shutdownBodies>) => {
    const { traceId, bodies } = shutdownBodies(...args);
    for (const body of bodies) store.add(decodeOtlp(body).groups);
    return { traceId, bodies };
  };
  const verdicts = new Verdicts(store);
  const list = new Shutdowns(store, verdicts);
  const services = async (query: Partial<Parameters<typeof list.list>[0]>) =>
    (await list.list({ ...ALL, ...query })).shutdowns.map(({ service }) => service);
  return { store, add, list, services, verdicts };
}

describe('the list of shutdowns', () => {
  test('the latest first; by service, result, kind, and when they ended', async () => {
    const { add, list, services } = setUp();
    add('a', 2, 0, NOW);
    add('b', 2, 1, NOW + 1_000);
    add('c', 0, 0, NOW + 2_000);
    expect(await services({})).toEqual(['c', 'b', 'a']);
    expect(await services({ service: 'b' })).toEqual(['b']);
    expect(await services({ result: 'incomplete' })).toEqual(['b']);
    expect(await services({ result: 'missing' })).toEqual([]);
    expect(await services({ kind: 'online' })).toEqual([]);
    expect(await services({ kind: 'nothing' })).toEqual(['c', 'b', 'a']);
    expect(await services({ endedSince: (NOW + 1_075) * 1_000 })).toEqual(['c', 'b']);
    expect(await services({ endedSince: (NOW + 1_076) * 1_000 })).toEqual(['c']);
    expect((await list.list(ALL)).services).toEqual(['a', 'b', 'c']);
  });

  test('by text: a trace id, an instance, or what the resource says; text that JSON writes otherwise, too', async () => {
    const { add, store, services } = setUp();
    const { traceId } = add('orders', 2, 0, NOW);
    add('mail', 2, 1, NOW + 1_000);
    const [body = ''] = shutdownBodies('pod-service', 0, 0, NOW + 2_000).bodies;
    const pod = { key: 'k8s.pod.name', value: { stringValue: 'Pod-7d "x"' } };
    store.add(decodeOtlp(body.replace('"attributes":[', `"attributes":[${JSON.stringify(pod)},`)).groups);
    expect(await services({ search: traceId.slice(0, 12) })).toEqual(['orders']);
    expect(await services({ search: 'MAIL-1' })).toEqual(['mail']);
    expect(await services({ search: 'pod-7D "x' })).toEqual(['pod-service']);
    expect(await services({ search: 'mail', kind: 'online' })).toEqual([]);
    expect(await services({ search: '%' })).toEqual([]);
  });

  test('by a consumer: one that answered, as its process reports, and one whose GoAway failed', async () => {
    const { add, list, services } = setUp();
    add('orders', 3, 0, NOW, ['web']);
    add('mail', 3, 1, NOW + 1_000, ['mobile']);
    expect(await services({ search: 'WEB-2' })).toEqual(['orders']);
    expect(await services({ search: 'mobile-2' })).toEqual(['mail']);
    // The GoAway to the first consumer failed, and it has sent no span: only the provider names it.
    expect(await services({ search: 'mobile-0' })).toEqual(['mail']);
    expect((await list.list({ ...ALL, search: 'web-2' })).counts.shutdowns).toBe(1);
    expect(await services({ search: 'web-3' })).toEqual([]);
  });

  test('counts cover the whole search, on any page and with any result', async () => {
    const { add, store, list } = setUp();
    for (let n = 0; n < 60; n++) add('many', 1, n % 20 === 0 ? 1 : 0, NOW + n * 1_000);
    const [lossy = ''] = shutdownBodies('many', 0, 0, NOW + 70_000).bodies;
    const late = { key: 'lossless.requests.after_ack', value: { intValue: '3' } };
    const at = lossy.lastIndexOf('"attributes":[') + '"attributes":['.length;
    store.add(decodeOtlp(`${lossy.slice(0, at)}${JSON.stringify(late)},${lossy.slice(at)}`).groups);
    const whole = { starts: 0, shutdowns: 61, lossless: 57 };
    expect((await list.list(ALL)).counts).toEqual(whole);
    expect((await list.list({ ...ALL, result: 'incomplete' })).counts).toEqual(whole);
    expect((await list.list({ ...ALL, before: (NOW + 5_000) * 1_000 })).counts).toEqual(whole);
    expect((await list.list({ ...ALL, to: (NOW + 5_000) * 1_000 })).counts).toMatchObject({
      shutdowns: 5,
      lossless: 4,
    });
    expect((await list.list({ ...ALL, search: 'nobody' })).counts).toMatchObject({ shutdowns: 0 });
  });

  test('a list is short although a sender writes long texts', async () => {
    const { store, list } = setUp();
    const long = 'x'.repeat(100_000);
    const [own = ''] = shutdownBodies('shop', 1, 0, NOW).bodies;
    const spoiled = own
      .replaceAll('"shop"', `"${long}"`)
      .replaceAll('"shop-1"', `"${long}"`)
      .replace('"success"', `"${long}"`)
      .replace('lossless.drain"', `lossless.${long}"`);
    store.add(decodeOtlp(spoiled).groups);
    const found = await list.list(ALL);
    expect(found.shutdowns).toHaveLength(1);
    expect(JSON.stringify(found).length).toBeLessThan(3_000);
  });

  test('pages follow each other without a gap and without a row twice', async () => {
    const { add, list } = setUp();
    for (let n = 0; n < 120; n++) add(`s${n}`, 0, 0, NOW + n * 10);
    const seen: string[] = [];
    let before: number | null = Number.MAX_SAFE_INTEGER;
    while (before !== null) {
      const { shutdowns, next }: Awaited<ReturnType<typeof list.list>> = await list.list({ ...ALL, before });
      seen.push(...shutdowns.map(({ service }) => service));
      before = next;
    }
    expect(seen).toEqual(Array.from({ length: 120 }, (_, n) => `s${119 - n}`));
  });

  test('the collector makes a new verdict only after new spans', async () => {
    const { store, list, verdicts } = setUp();
    const { bodies } = shutdownBodies('late', 3, 0, NOW);
    const [own = '', ...refreshes] = bodies;
    store.add(decodeOtlp(own).groups);
    const first = (await list.list(ALL)).shutdowns[0];
    expect(first).toMatchObject({ whole: false, refreshes: 0 });
    expect((await list.list(ALL)).shutdowns[0]).toEqual(first);
    expect(verdicts.made).toBe(1);
    const revision = store.revision;
    store.add(decodeOtlp(own).groups);
    expect(store.revision).toBe(revision);
    for (const body of refreshes) store.add(decodeOtlp(body).groups);
    expect(store.revision).toBe(revision + 3);
    expect((await list.list(ALL)).shutdowns[0]).toMatchObject({ whole: true, refreshes: 3, problems: [] });
  });

  test('number and length of problems are bounded', async () => {
    const { store, list } = setUp();
    const { bodies } = shutdownBodies('poor', 500, 400, NOW);
    for (const body of bodies) store.add(decodeOtlp(body.replaceAll('was not told', 'x'.repeat(10_000))).groups);
    const [shutdown] = (await list.list(ALL)).shutdowns;
    expect(shutdown?.problems.map(({ length }) => length)).toEqual([34, 200, 200]);
    expect(shutdown?.moreProblems).toBe(398);
  });
});

test('a database of a version that knew other roots: its index is made anew, its spans stay', async () => {
  const directory = useScratchFolder();
  const path = join(directory, 'traces.sqlite');
  const options = { path, maxAgeMs: 1e15, maxBytes: 2 ** 28 };
  const before = new Store(options);
  for (const body of shutdownBodies('kept', 2, 0, NOW).bodies) before.add(decodeOtlp(body).groups);
  before.close();
  const old = openDatabase(path);
  old.exec("DROP INDEX span_by_root; CREATE INDEX span_by_root ON span (start) WHERE name IN ('lossless.offline')");
  old.close();
  const after = new Store(options);
  expect((await new Shutdowns(after, new Verdicts(after)).list(ALL)).shutdowns.map(({ service }) => service)).toEqual([
    'kept',
  ]);
  after.close();
});
