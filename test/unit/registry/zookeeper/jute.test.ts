import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Frames, JuteReader, JuteWriter } from '../../../../src/registry/zookeeper/jute.ts';

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const text = fc.string({ unit: 'binary' });

test('a record is read as it was written, however its bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(int, long, text, fc.uint8Array()), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (records, cuts) => {
        const sent = Buffer.concat(
          records.map(([a, b, c, d]) =>
            new JuteWriter().int(a).long(b).text(c).bytes(Buffer.from(d)).bool(true).frame(),
          ),
        );
        const frames = new Frames();
        const received: Buffer[] = [];
        for (let at = 0, n = 0; at < sent.length; n++) {
          const length = cuts[n % cuts.length] ?? 1;
          received.push(...frames.push(sent.subarray(at, at + length)));
          at += length;
        }
        expect(
          received.map((record) => {
            const reader = new JuteReader(record);
            return [reader.int(), reader.long(), reader.text(), new Uint8Array(reader.bytes())];
          }),
        ).toEqual(records);
      },
    ),
  );
});

test('a list of names is read', () => {
  const names = ['a', '', 'ünïcode'];
  const writer = new JuteWriter().int(names.length);
  for (const name of names) writer.text(name);
  expect(new JuteReader(writer.frame().subarray(4)).texts()).toEqual(names);
});

test('whatever a record holds, reading it ends with a value or an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: 20 }), (bytes, skipped) => {
      for (const read of ['int', 'long', 'bytes', 'text', 'texts'] as const)
        try {
          new JuteReader(Buffer.from(bytes)).skip(skipped)[read]();
        } catch (thrown) {
          expect((thrown as Error).message).toMatch(/shorter than its length says/);
        }
    }),
  );
});

test('a length of -1 means null', () => {
  expect(new JuteReader(new JuteWriter().int(-1).frame().subarray(4)).text()).toBe('');
});

test.each([
  ['a count beyond the record', new JuteWriter().int(2 ** 31 - 1).int(0)],
  ['a length beyond the record', new JuteWriter().int(1).int(100)],
])('%s is an error and allocates no memory', (_, record) => {
  expect(() => new JuteReader(record.frame().subarray(4)).texts()).toThrow(/shorter than its length says/);
});

test.each([-1, 32 * 1_024 * 1_024, 2 ** 31 - 1])('a frame of %i bytes is refused before it comes', (length) => {
  expect(() => new Frames().push(new JuteWriter().int(length).frame().subarray(4))).toThrow(/a frame of/);
});

test('a long frame in small pieces is put together once', () => {
  const frame = new JuteWriter().bytes(Buffer.alloc(8_000_000, 1)).frame();
  const frames = new Frames();
  const began = performance.now();
  let received: readonly Buffer[] = [];
  for (let at = 0; at < frame.length; at += 1_000) received = frames.push(frame.subarray(at, at + 1_000));
  expect(received).toHaveLength(1);
  expect(performance.now() - began).toBeLessThan(2_000);
});
