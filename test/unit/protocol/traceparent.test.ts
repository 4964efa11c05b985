import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTraceparent, encodeTraceparent } from '../../../src/protocol/traceparent.ts';

const hexadecimal = (length: number) =>
  fc
    .string({ minLength: length, maxLength: length, unit: fc.constantFrom(...'0123456789abcdef') })
    .filter((text) => !/^0+$/.test(text));
const a = 'a'.repeat(32);
const b = 'b'.repeat(16);

describe('traceparent', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(
        fc.record({ traceId: hexadecimal(32), spanId: hexadecimal(16) }),
        (ids) => void expect(decodeTraceparent(encodeTraceparent(ids))).toEqual(ids),
      ),
    );
  });

  test('fields of a later version are passed over', () => {
    expect(decodeTraceparent(`01-${a}-${b}-01-more`)).toEqual({ traceId: a, spanId: b });
  });

  test.each([
    undefined,
    '',
    'x',
    `00-${a}-${b}`,
    `00-${a}-${b}-01-more`,
    `ff-${a}-${b}-01`,
    `00-${'0'.repeat(32)}-${b}-01`,
    `00-${a}-${'0'.repeat(16)}-01`,
    `00-${a.toUpperCase()}-${b}-01`,
    `00-${a}-${b}-01, 00-${a}-${b}-01`,
    `01-${a}-${b}-01-${'x'.repeat(300)}`,
  ])('is not valid: %s', (header) => {
    expect(decodeTraceparent(header)).toBeUndefined();
  });

  test('hostile text never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => void decodeTraceparent(header)));
  });
});
