import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodePayload, type Payload, PayloadReader } from '../../../../src/registry/nacos/payload.ts';

const payload = fc.record({
  type: fc.stringMatching(/^[A-Za-z]{1,40}$/),
  body: fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer())),
});

test('an encoded payload is read back, however its bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 5 }), fc.integer({ min: 1, max: 40 }), (payloads, size) => {
      const bytes = Buffer.concat(payloads.map((one) => encodePayload(one, { accessToken: 'x'.repeat(200) })));
      const reader = new PayloadReader();
      const read: Payload[] = [];
      for (let at = 0; at < bytes.length; at += size) read.push(...reader.read(bytes.subarray(at, at + size)));
      expect(read).toEqual(payloads.map(({ type, body }) => ({ type, body: { ...body } })));
    }),
  );
});

test('hostile bytes are read, refused or incomplete, and never take more memory than the longest message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(bytes.length, 1);
      try {
        new PayloadReader().read(Buffer.concat([prefix, bytes]));
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error);
        expect(thrown).not.toBeInstanceOf(RangeError);
      }
    }),
  );
});

test.each([
  ['a length of four gigabytes', Buffer.from([0, 255, 255, 255, 255]), 'more than'],
  ['a compressed payload', Buffer.from([1, 0, 0, 0, 0]), 'compressed'],
  ['an empty payload', Buffer.from([0, 0, 0, 0, 0]), 'not one of Nacos'],
  ['an endless number', Buffer.from([0, 0, 0, 0, 9, ...Array(9).fill(255)]), 'too early'],
  ['a field that is longer than the message', Buffer.from([0, 0, 0, 0, 3, 18, 127, 0]), 'too early'],
  ['an unknown wire type', Buffer.from([0, 0, 0, 0, 2, 19, 0]), 'wire type'],
])('%s is refused', (_, bytes, message) => {
  expect(() => new PayloadReader().read(bytes)).toThrow(message);
});

test('the bytes are Protobuf', () => {
  const bytes = encodePayload({ type: 'ServerCheckRequest', body: {} }, { a: 'b' });
  const metadata = ['1a12', Buffer.from('ServerCheckRequest').toString('hex'), '3a060a016112', '0162'].join('');
  expect(bytes.toString('hex')).toBe(`000000002412${(metadata.length / 2).toString(16)}${metadata}1a0412027b7d`);
});
