import { expect, test } from 'vitest';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { Journal } from '../../../src/lifecycle/journal.ts';
import type { LifecycleRecord } from '../../../src/lifecycle/records.ts';
import { resourceOf } from '../../../src/trace/attributes.ts';
import { otlpBody, spansOf } from '../../../src/trace/otlp-body.ts';
import { type FinishedSpan, Recorder, serialize } from '../../support/observe/sdk-recorder.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const IDENTITY = { service: 'orders', instanceId: 'orders-1', generation: 7 };
const RESOURCE = { 'deployment.environment.name': 'test' };

test('records become the spans that the SDK of OpenTelemetry makes', () => {
  const clock = new SimulatedClock();
  const journal = new Journal(clock);
  const records: LifecycleRecord[] = [];
  journal.subscribe((record) => records.push(record));
  const links = [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }];
  const root = journal.start('offline', { links, facts: { trigger: 'SIGTERM', gracePeriodMs: 30_500 } });
  clock.stall(1.25);
  const work = journal.start('drain', { parent: root.ids });
  journal.start('stop', { parent: root.ids }); // It never ends.
  clock.stall(3_000.875);
  work.end({ requestsPerSecond: [1, 2], holdMs: 3_000, quietMs: 50 });
  root.end({ complete: true, drainResult: undefined }, { type: 'timeout', message: 'too late' });

  const finished: FinishedSpan[] = [];
  const recorder = new Recorder({
    identity: () => IDENTITY,
    resource: RESOURCE,
    finished: (span) => finished.push(span),
  });
  for (const record of records) recorder.record(record);
  const own = JSON.stringify(otlpBody(resourceOf(IDENTITY, RESOURCE), spansOf(records, IDENTITY)));
  const plain = decodeOtlp(own).groups;
  const bySdk = decodeOtlp(serialize(finished)).groups;
  const sorted = (groups: typeof plain) =>
    groups.map(({ origin, spans }) => ({
      origin,
      spans: spans
        .map((span) => ({ ...span, attributes: [...span.attributes].sort((a, b) => (a.key < b.key ? -1 : 1)) }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    }));
  expect(plain[0]?.spans).toHaveLength(2);
  expect(sorted(plain)).toEqual(sorted(bySdk));
  const flags = (body: string) => body.match(/"flags":\d+/g)?.sort();
  expect(flags(own)).toEqual(flags(serialize(finished)));
});
