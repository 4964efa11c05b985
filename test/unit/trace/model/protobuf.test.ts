import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeOtlp } from '../../../../collector/server/otlp.ts';
import type { Json } from '../../../../src/json.ts';
import { Journal } from '../../../../src/lifecycle/journal.ts';
import { decode, encode, NoProtobuf, TooManyValues } from '../../../../src/trace/model/protobuf.ts';
import { metricsBody } from '../../../../src/trace/otlp-body.ts';
import { type FinishedSpan, Recorder, serialize } from '../../../support/observe/sdk-recorder.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const MOST = 100_000;

/** Spans of an offline, as the SDK hands them out. */
function finished(): readonly FinishedSpan[] {
  const spans: FinishedSpan[] = [];
  const recorder = new Recorder({
    identity: () => ({ service: 'Bücher', instanceId: 'orders-1', generation: 1_790_000_000_000 }),
    resource: { 'deployment.environment.name': 'test' },
    finished: (span) => spans.push(span),
  });
  const clock = new SimulatedClock();
  const journal = new Journal(clock);
  journal.subscribe((record) => recorder.record(record));
  const links = [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }];
  const root = journal.start('offline', { links, facts: { trigger: 'SIGTERM', gracePeriodMs: 30_500 } });
  const drain = journal.start('drain', { parent: root.ids });
  clock.stall(3_000.875);
  drain.end({ requestsPerSecond: [0, 1, 300, -1], holdMs: 3_000, quietMs: 0 });
  root.end({ complete: false, planned: 0 }, { type: 'timeout', message: 'too late' });
  return spans;
}

describe('Protobuf', () => {
  test('what the serializer of OpenTelemetry writes is read as its JSON is', () => {
    const spans = finished();
    const bytes = Buffer.from(ProtobufTraceSerializer.serializeRequest([...spans]) ?? []);
    expect(decodeOtlp(bytes, 'protobuf')).toEqual(decodeOtlp(serialize(spans)));
  });

  test('JSON that is written as Protobuf is the same that the serializer of OpenTelemetry writes', () => {
    const spans = finished();
    const reference = Buffer.from(ProtobufTraceSerializer.serializeRequest([...spans]) ?? []);
    const own = encode('TracesRequest', JSON.parse(serialize(spans)) as Json);
    expect(decode('TracesRequest', own, MOST)).toMatchObject(decode('TracesRequest', reference, MOST));
  });

  test('metrics come back as they were, a 0 among them', () => {
    const points = [
      { at: 1_790_000_000_000, value: 7, attributes: {} },
      { at: 1_790_000_000_070, value: 0, attributes: { 'lossless.offline.result': 'success' } },
      { at: 1_790_000_000_071, value: 0.25, attributes: {} },
    ];
    const body = metricsBody({ 'service.name': 'a' }, [{ name: 'lossless.offline.requests', points }]);
    const read = JSON.stringify(decode('MetricsRequest', encode('MetricsRequest', body), MOST));
    for (const text of [
      '"asInt":"7"',
      '"asInt":"0"',
      '"asDouble":0.25',
      '"timeUnixNano":"1790000000070000000"',
      '{request}/s',
    ])
      expect(read).toContain(text);
  });

  test('whole numbers, text and bytes of every kind come back', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }).map((stringValue) => ({ stringValue: stringValue.toWellFormed() })),
      fc.boolean().map((boolValue) => ({ boolValue })),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((number) => ({ intValue: String(number) })),
      fc.maxSafeInteger().map((intValue) => ({ intValue })),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((doubleValue) => ({ doubleValue })),
      fc.uint8Array().map((bytes) => ({ bytesValue: Buffer.from(bytes).toString('base64') })),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), (values) => {
        const read = decode('ArrayValue', encode('ArrayValue', { values }), MOST)['values'] as readonly object[];
        const shown = (one: object): readonly string[] => Object.entries(one).map(([key, held]) => `${key} ${held}`);
        expect(read.map(shown)).toEqual(values.map(shown));
      }),
    );
  });
});

describe('foreign bytes', () => {
  const valid = Buffer.from(ProtobufTraceSerializer.serializeRequest([...finished()]) ?? []);

  test('are either read or refused', () => {
    const changed = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const bytes = Buffer.from(valid);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      });
    const any = fc.oneof(changed, fc.uint8Array({ maxLength: 200 }).map(Buffer.from));
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          decode('TracesRequest', bytes, MOST);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(NoProtobuf);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['a field longer than the message', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), /longer than/],
    ['an endless number', Buffer.alloc(20, 0xff), /more than ten bytes/],
    ['a group', Buffer.from([0x0b]), /unknown type 3/],
    ['bytes that end within a number', Buffer.from([0x0a, 0x80]), /ends within/],
  ])('are refused: %s', (_, bytes, why) => {
    expect(() => decode('TracesRequest', bytes, MOST)).toThrow(why);
  });

  test('values inside each other, a thousand deep', () => {
    const nested = Array.from({ length: 1_000 }).reduce<Json>((values) => ({ values: [{ arrayValue: values }] }), {});
    expect(() => decode('ArrayValue', encode('ArrayValue', nested), MOST)).toThrow(NoProtobuf);
  });

  test('more values than are read', () => {
    // Two bytes each: an empty resource.
    expect(() => decode('TracesRequest', Buffer.alloc(2_000, Buffer.from([0x0a, 0])), 999)).toThrow(TooManyValues);
  });
});
