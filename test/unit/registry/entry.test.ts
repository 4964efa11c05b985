import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startedAt } from '../../../src/process/started-at.ts';
import { PROTOCOLS } from '../../../src/registry/endpoints.ts';
import { decodeEntry, encodeEntry, isAlive } from '../../../src/registry/entry.ts';
import type { Instance } from '../../../src/registry/registry.ts';

const whole = (min: number, max = Number.MAX_SAFE_INTEGER): fc.Arbitrary<number> => fc.integer({ min, max });
const text = (minLength: number): fc.Arbitrary<string> => fc.string({ unit: 'binary', minLength, maxLength: 60 });
const anyEndpoint = fc.record({
  protocol: fc.constantFrom(...PROTOCOLS),
  port: whole(1, 65_535),
  secure: fc.boolean(),
});
const anyInstance: fc.Arbitrary<Instance> = fc.record({
  service: text(1),
  instanceId: text(1),
  generation: whole(0),
  host: fc.oneof(fc.domain(), fc.constantFrom('192.0.2.1', '2001:db8::1')),
  port: whole(1, 65_535),
  scheme: fc.constantFrom('http', 'https'),
  weight: fc.double({ min: 0, max: 1e9, noNaN: true }).map((weight) => weight + 0),
  registeredAt: whole(0),
  metadata: fc.dictionary(text(0), text(0), { maxKeys: 5, noNullPrototype: true }),
  endpoints: fc.array(anyEndpoint, { minLength: 1, maxLength: 3 }),
});

test('every instance comes back as it was written, by this process, which is alive', () => {
  fc.assert(
    fc.property(anyInstance, (instance) => {
      const entry = decodeEntry(encodeEntry(instance));
      expect(entry).toEqual({ pid: process.pid, started: startedAt(process.pid), instance });
      expect(isAlive(entry)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('any text is an entry or an Error that does not repeat it', () => {
  const secret = 'kq7-marker';
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.jsonValue().map((v) => JSON.stringify({ pid: v, instance: v })),
      ),
      (some) => {
        try {
          decodeEntry(`${some}${secret}`);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error);
          expect((thrown as Error).message).not.toContain(secret);
          return;
        }
        throw new Error('it was taken for an entry');
      },
    ),
  );
});

const good = JSON.parse(
  encodeEntry({
    service: 'a',
    instanceId: 'i',
    generation: 1,
    host: 'h',
    port: 1,
    scheme: 'http',
    weight: 1,
    registeredAt: 1,
    metadata: {},
  }),
) as { instance: object };

test.each([
  ['pid', 0],
  ['pid', 2 ** 31],
  ['pid', '1'],
  ['started', -1],
  ['instance', null],
])('the field %s = %j is refused', (field, value) => {
  expect(() => decodeEntry(JSON.stringify({ ...good, [field]: value }))).toThrow(field);
});

test.each([
  ['service', ''],
  ['instanceId', 7],
  ['generation', 1.5],
  ['host', null],
  ['port', 65_536],
  ['port', 0],
  ['scheme', 'ftp'],
  ['weight', -1],
  ['weight', null],
  ['registeredAt', 2 ** 60],
  ['endpoints', {}],
  ['endpoints', Array(17).fill({ protocol: 'http', port: 1, secure: false })],
  ['endpoint', [null]],
  ['port', [{ protocol: 'grpc', port: 0 }]],
])('the field instance.%s = %j is refused', (field, value) => {
  const { instance } = good;
  const name = field === 'endpoint' || Array.isArray(value) ? 'endpoints' : field;
  expect(() => decodeEntry(JSON.stringify({ ...good, instance: { ...instance, [name]: value } }))).toThrow(field);
});

test('an endpoint of a protocol that a later version knows is passed over', () => {
  const { instance } = good;
  const grpc = { protocol: 'grpc', port: 9090, secure: true };
  const endpoints = [{ protocol: 'h3', port: 443, secure: true }, grpc];
  const entry = decodeEntry(JSON.stringify({ ...good, instance: { ...instance, endpoints } }));
  expect(entry.instance.endpoints).toEqual([grpc]);
});

test.each([
  [
    { zone: 1, spot: true, none: null, list: [1], plain: 'x' },
    { zone: '1', spot: 'true', plain: 'x' },
  ],
  [[], {}],
  [null, {}],
  ['text', {}],
])('labels %j are read as %j', (metadata, labels) => {
  const { instance } = good;
  const entry = decodeEntry(JSON.stringify({ ...good, instance: { ...instance, metadata } }));
  expect(entry.instance.metadata).toEqual(labels);
});

test('an entry of an ended process, or of an earlier process with the same id, is dead', () => {
  const entry = decodeEntry(JSON.stringify(good));
  expect(isAlive({ ...entry, pid: 2 ** 22 + 1 })).toBe(false);
  expect(isAlive({ ...entry, started: entry.started + 1 })).toBe(process.platform !== 'linux');
  expect(isAlive({ ...entry, started: 0 })).toBe(true);
});
