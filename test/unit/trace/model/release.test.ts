import { describe, expect, test } from 'vitest';
import { counterpartsOf, GAP_MS, nameOf, releaseNamed, releasesOf } from '../../../../src/trace/model/release.ts';
import { summaryOf } from '../../../../src/trace/model/release-summary.ts';
import type { TraceKind, Verdict } from '../../../../src/trace/model/verdict.ts';
import { Random } from '../../../fleet/random.ts';

let made = 0;

/** A whole and lossless trace. `at` in seconds. */
function verdict(
  kind: TraceKind,
  version: string,
  instanceId: string,
  at: number,
  more: Partial<Verdict> = {},
): Verdict {
  const startedAt = at * 1_000;
  return {
    traceId: `${made++}`,
    kind,
    service: 'shop',
    instanceId,
    version,
    namespace: '',
    generation: 1,
    marks: kind === 'online' ? { started: startedAt, ready: startedAt + 1_000 } : { trigger: startedAt },
    result: kind === 'online' ? 'ready' : 'success',
    planned: kind === 'online' ? 0 : 2,
    acked: kind === 'online' ? 0 : 2,
    spans: 10,
    orphans: 0,
    refreshes: 2,
    afterAck: 0,
    stranded: 0,
    startedAt,
    durationMs: 2_000,
    gracePeriodMs: 30_000,
    phases: {},
    whole: true,
    problems: [],
    runbook: null,
    ...more,
  };
}

const comes = (version: string, id: string, at: number) => verdict('online', version, id, at);
const goes = (version: string, id: string, at: number, more?: Partial<Verdict>) =>
  verdict('offline', version, id, at, more);

/** The version of each release, and the instances that come and go. */
function shape(verdicts: readonly Verdict[]) {
  return releasesOf(verdicts).map(({ version, starts, stops }) => [
    version,
    starts.map(({ instanceId }) => instanceId).join(' '),
    stops.map(({ instanceId }) => instanceId).join(' '),
  ]);
}

const summaries = (verdicts: readonly Verdict[]) => releasesOf(verdicts).map(summaryOf);

describe('releases', () => {
  test('a new version comes and the old one goes, one after the other', () => {
    const roll = [comes('2', 'c', 0), goes('1', 'a', 3), comes('2', 'd', 6), goes('1', 'b', 9)];
    expect(shape(roll)).toEqual([['2', 'c d', 'a b']]);
    expect(shape(roll.toReversed())).toEqual([['2', 'c d', 'a b']]);
    expect(summaries(roll)[0]).toMatchObject({ endedAt: 11_000, fewestReady: 2 });
  });

  test('an instance that goes before its successor comes belongs to the release of that', () => {
    const roll = [goes('1', 'a', 0), comes('2', 'c', 3), goes('1', 'b', 6), comes('2', 'd', 9)];
    expect(shape(roll)).toEqual([['2', 'c d', 'a b']]);
    expect(summaries(roll)[0]?.fewestReady).toBe(1);
  });

  test('a shutdown belongs to the version that came before it, even when the next version comes soon', () => {
    const soon = [comes('2', 'b', 10), goes('1', 'a', 20), comes('3', 'c', 21), goes('2', 'b', 25)];
    expect(shape([comes('1', 'a', 0), ...soon])).toEqual([
      ['1', 'a', ''],
      ['2', 'b', 'a'],
      ['3', 'c', 'b'],
    ]);
  });

  test('a release that is taken back is two', () => {
    const roll = [comes('2', 'b', 0), goes('1', 'a', 3), comes('1', 'c', 60), goes('2', 'b', 63)];
    expect(shape(roll)).toEqual([
      ['2', 'b', 'a'],
      ['1', 'c', 'b'],
    ]);
  });

  test('the time between them divides two releases of one version', () => {
    const later = GAP_MS / 1_000 + 100;
    const roll = [comes('', 'b', 0), goes('', 'a', 3), comes('', 'c', later), goes('', 'b', later + 3)];
    expect(shape(roll)).toEqual([
      ['', 'b', 'a'],
      ['', 'c', 'b'],
    ]);
  });

  test('a service that shrinks or grows', () => {
    expect(shape([goes('1', 'a', 0), goes('1', 'b', 1)])).toEqual([['1', '', 'a b']]);
    expect(shape([comes('1', 'a', 0)])).toEqual([['1', 'a', '']]);
    expect(summaries([comes('1', 'a', 0)])[0]?.fewestReady).toBeNull();
    expect(shape([])).toEqual([]);
  });

  test('an instance that was never ready does not count among the ready ones', () => {
    const roll = [comes('2', 'b', 0), goes('2', 'x', 1, { result: 'never_ready' }), goes('1', 'a', 3)];
    const release = releasesOf(roll).find(({ version }) => version === '2');
    expect(release && summaryOf(release).fewestReady).toBe(1);
  });
});

test('a sentence says what happened to whom', () => {
  const [release] = releasesOf([
    comes('2', 'c', 0),
    goes('1', 'a', 3),
    comes('2', 'd', 6),
    goes('1', 'b', 9, { result: 'incomplete', acked: 1, afterAck: 3 }),
  ]);
  expect(release && summaryOf(release).sentence).toBe(
    '1 of 2 shutdowns lossless, 3 of 4 consumers told, 3 requests after an ack, 11 s, never fewer than 2 ready',
  );
});

/** Starts and shutdowns of a few versions and instances at different random times of two days. */
function anyPassages(seed: number): readonly Verdict[] {
  const random = new Random(seed);
  const versions = ['1', '2', '3', ''];
  return Array.from({ length: 1 + random.below(60) }, (_, n) => {
    const at = random.below(1_000) * 170 + n / 100;
    const [version = ''] = versions.slice(random.below(4));
    return verdict(random.chance(0.5) ? 'online' : 'offline', version, `i${random.below(20)}`, at, {
      namespace: random.chance(0.2) ? 'other' : '',
      generation: 1 + random.below(2),
    });
  });
}

describe.each(Array.from({ length: 200 }, (_, seed) => seed))('with any events, seed %d', (seed) => {
  const passages = anyPassages(seed);
  const releases = releasesOf(passages);

  test('each start and each shutdown is in one release, of its namespace, in the order of time', () => {
    const all = releases.flatMap(({ starts, stops }) => [...starts, ...stops]);
    expect(all.map(({ traceId }) => traceId).sort()).toEqual(passages.map(({ traceId }) => traceId).sort());
    for (const { namespace, startedAt, starts, stops } of releases) {
      const members = [...starts, ...stops];
      expect(members.every((member) => member.namespace === namespace)).toBe(true);
      expect(Math.min(...members.map((member) => member.startedAt))).toBe(startedAt);
    }
    expect(releases.map(({ startedAt }) => startedAt)).toEqual(
      releases.map(({ startedAt }) => startedAt).toSorted((one, other) => one - other),
    );
  });

  test('the order of the input does not matter', () => {
    expect(releasesOf(passages.toReversed())).toEqual(releases);
  });

  test('each release is found by its name', () => {
    const own = releases.filter(({ namespace }) => namespace === '');
    for (const release of own) expect(releaseNamed(own, nameOf(release, own))).toBe(release);
  });

  test('a start leads to a later shutdown of its instance, and what that leads to is a start', () => {
    const byId = new Map(passages.map((passage) => [passage.traceId, passage]));
    for (const [id, other] of counterpartsOf(passages)) {
      const [one, counterpart] = [byId.get(id), byId.get(other)];
      expect(counterpart?.instanceId).toBe(one?.instanceId);
      expect(counterpart?.kind).not.toBe(one?.kind);
      expect((counterpart?.startedAt ?? 0) > (one?.startedAt ?? 0)).toBe(one?.kind === 'online');
    }
  });
});
