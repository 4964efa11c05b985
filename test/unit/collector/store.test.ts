import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { Store, type StoreOptions, type TraceQuery } from '../../../collector/server/store.ts';
import { hex, otlpBody, type SpanSpec, shutdownBodies } from '../../support/observe/otlp.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const opened: Store[] = [];
afterEach(() => {
  for (const store of opened.splice(0)) store.close();
});

function open(options: Partial<StoreOptions> = {}): Store {
  const store = new Store({ path: ':memory:', maxAgeMs: 3_600_000, maxBytes: 2 ** 28, ...options });
  opened.push(store);
  return store;
}

const START = 1_790_000_000_000;

function span(more: Partial<SpanSpec> = {}): SpanSpec {
  return { traceId: hex(16), spanId: hex(8), work: 'offline', start: START, durationMs: 10, ...more };
}

const groups = (service: string, ...spans: SpanSpec[]) => decodeOtlp(otlpBody(service, `${service}-1`, spans)).groups;

const everything: TraceQuery = { tags: {}, startMin: 0, startMax: Number.MAX_SAFE_INTEGER, limit: 100 };

describe('a store', () => {
  test('keeps a span that arrives twice once, and lets a late one join its trace', () => {
    const store = open();
    const [root, late] = [span(), span({ work: 'drain' })];
    store.add(groups('a', root));
    store.add(groups('a', root));
    store.add(groups('b', { ...late, traceId: root.traceId, parentSpanId: root.spanId }));
    const [trace] = store.traces([root.traceId]);
    expect(trace?.map(({ name, origin }) => [name, origin.service])).toEqual(
      expect.arrayContaining([
        ['lossless.offline', 'a'],
        ['lossless.drain', 'b'],
      ]),
    );
    expect(trace).toHaveLength(2);
  });

  test('keeps all of a body or nothing', () => {
    const store = open();
    const good = span();
    expect(() =>
      store.add([...groups('a', good), { origin: null as never, spans: groups('a', span())[0]?.spans ?? [] }]),
    ).toThrow();
    expect(store.traces([good.traceId])).toEqual([]);
    store.add(groups('a', good));
    expect(store.traces([good.traceId])).toHaveLength(1);
  });

  test('finds the latest first, and service, operation, duration and every tag on one span', () => {
    const store = open();
    const [early, late] = [
      span({ attributes: { x: 'y' } }),
      span({ start: START + 1_000, durationMs: 500, attributes: { z: 1 } }),
    ];
    store.add(groups('a', late, early));
    store.add(groups('a', span({ traceId: early.traceId, work: 'drain', durationMs: 700, attributes: { z: 1 } })));
    expect(store.find({ ...everything, service: 'a' })).toEqual([late.traceId, early.traceId]);
    expect(store.find({ ...everything, service: 'a', limit: 1 })).toEqual([late.traceId]);
    expect(store.find({ ...everything, tags: { z: '1' }, operation: 'lossless.offline' })).toEqual([late.traceId]);
    expect(store.find({ ...everything, tags: { x: 'y', z: '1' } })).toEqual([]);
    expect(store.find({ ...everything, tags: { x: 'y' }, durationMin: 600_000 })).toEqual([]);
    expect(store.find({ ...everything, startMin: (START + 1_000) * 1_000 })).toEqual([late.traceId]);
    expect(store.find({ ...everything, startMax: START * 1_000, tags: { z: '1' } })).toEqual([early.traceId]);
  });

  test('error is the status: true for ERROR, false for OK', () => {
    const store = open();
    const [failed, unset] = [span({ error: 'why' }), span()];
    store.add(groups('a', failed, unset));
    expect(store.find({ ...everything, tags: { error: 'true' } })).toEqual([failed.traceId]);
    expect(store.find({ ...everything, tags: { error: 'false' } })).toEqual([]);
  });

  test('answers whole traces, as many as one answer holds, and cuts only a trace that is too large by itself', () => {
    const store = open();
    const [small, larger, largest] = [span(), span(), span()];
    const text = 'x'.repeat(15 * 2 ** 20);
    store.add(groups('a', small));
    for (const [{ traceId }, count] of [
      [larger, 3],
      [largest, 5],
    ] as const)
      for (let n = 0; n < count; n++) store.add(groups('a', span({ traceId, start: START + n, attributes: { text } })));
    const sizes = (...each: readonly SpanSpec[]): readonly number[] =>
      store.traces(each.map(({ traceId }) => traceId)).map((spans) => spans.length);
    expect(sizes(small, larger, small)).toEqual([1, 3, 1]);
    expect(sizes(small, larger, larger, small)).toEqual([1, 3]);
    expect(sizes(largest, small)).toEqual([4]);
  });

  test('removes a trace by the arrival of its last span, not by the times in its spans', () => {
    const store = open({ maxAgeMs: 1_000_000 });
    const now = Date.now();
    const [old, joined] = [span({ start: 8_000_000_000_000 }), span({ start: 1 })];
    store.add(groups('a', old, joined), now);
    store.add(groups('a', span({ traceId: joined.traceId })), now + 900_000);
    store.bound(now + 1_060_000);
    expect(store.traces([old.traceId, joined.traceId]).map((spans) => spans.length)).toEqual([2]);
    store.bound(now + 1_960_001);
    expect(store.traces([joined.traceId])).toEqual([]);
    expect(store.services()).toEqual([]);
  });

  test('old traces are removed in parts, so that no other work waits long', () => {
    const store = open();
    const now = Date.now();
    const traces = Array.from({ length: 60 }, () => {
      const { traceId, bodies } = shutdownBodies('large', 5);
      for (const body of bodies) store.add(decodeOtlp(body).groups, now);
      return traceId;
    });
    const left = (): number => traces.filter((id) => store.traces([id]).length > 0).length;
    const counts: number[] = [];
    // Each look at the clock finds 60 ms gone, so a part is over after the second.
    let at = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (at += 60));
    onTestFinished(() => clock.mockRestore());
    for (let look = 0; left() > 0; look++) {
      store.bound(now + 3_600_001 + look * 1_000);
      counts.push(left());
    }
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts.at(-1)).toBe(0);
  });

  test('the store removes a single trace that is larger than the bound', () => {
    const store = open({ maxBytes: 200_000 });
    const large = span({ attributes: { text: 'x'.repeat(60_000) } });
    for (let n = 0; n < 10; n++) store.add(groups('a', { ...large, spanId: hex(8) }));
    expect(store.traces([large.traceId]).flat().length).toBeLessThan(5);
    const small = span();
    store.add(groups('a', small));
    expect(store.traces([small.traceId])).toHaveLength(1);
  });

  test('finds its spans again in its file, and leaves the file of another program alone', () => {
    const directory = useScratchFolder();
    const [path, other] = [join(directory, 'ours.sqlite'), join(directory, 'other.sqlite')];
    const kept = span();
    const first = new Store({ path, maxAgeMs: 3_600_000, maxBytes: 2 ** 28 });
    first.add(groups('a', kept));
    first.close();
    expect(open({ path }).traces([kept.traceId])).toHaveLength(1);

    const database = new DatabaseSync(other);
    database.exec('CREATE TABLE span (mine TEXT); INSERT INTO span VALUES (1)');
    expect(() => open({ path: other })).toThrow('another program');
    expect(database.prepare('SELECT mine FROM span').all()).toHaveLength(1);
    database.close();
  });
});
