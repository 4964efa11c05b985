import { expect, test } from 'vitest';
import { Journal } from '../../../src/lifecycle/journal.ts';
import type { LifecycleRecord } from '../../../src/lifecycle/records.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

test('a fact of other work, a misspelt one and one of another type do not compile', () => {
  const journal = new Journal(new SimulatedClock());
  const drain = journal.start('drain', { facts: { inflightStart: 1 } });
  drain.end({ result: 'drained', quietMs: 50, holdReason: undefined });

  // @ts-expect-error: an offline has a grace period, a drain has none.
  journal.start('drain', { facts: { gracePeriodMs: 30_000 } });
  // @ts-expect-error: a drain does not know the results of an offline.
  drain.end({ result: 'success' });
  // @ts-expect-error: the name is misspelt.
  drain.end({ inFlightEnd: 0 });
  // @ts-expect-error: a number of milliseconds is expected.
  drain.end({ quietMs: '50' });
  // @ts-expect-error: no work has this name.
  journal.start('drained');
});

test('a record is narrowed by the name of its work', () => {
  const journal = new Journal(new SimulatedClock());
  const seen: (number | undefined)[] = [];
  journal.subscribe((record: LifecycleRecord) => {
    if (record.kind === 'started' && record.work === 'offline') seen.push(record.facts.gracePeriodMs);
    // @ts-expect-error: what is not narrowed has no grace period.
    if (record.kind === 'started') void record.facts.gracePeriodMs;
  });
  journal.start('offline', { facts: { gracePeriodMs: 30_000 } });
  journal.start('drain').end();
  expect(seen).toEqual([30_000]);
});
