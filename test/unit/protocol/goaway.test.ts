import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LosslessError } from '../../../src/errors.ts';
import {
  decodeAck,
  decodeGoAway,
  decodeIdle,
  encodeAck,
  encodeGoAway,
  encodeIdle,
  GOAWAY_LIMIT,
} from '../../../src/protocol/goaway.ts';

const text = fc.string({ minLength: 1, maxLength: 100 });
const goAway = fc.record({
  provider: fc.record({ service: text, instanceId: text, generation: fc.maxSafeNat(), address: text }),
  expiresInMs: fc.integer({ min: 1, max: 600_000 }),
});

const valid = { provider: { service: 'a', instanceId: 'b', generation: 1, address: 'c:1' }, expiresInMs: 30_000 };

describe('the body of a GoAway', () => {
  test('what is written is read', () => {
    fc.assert(fc.property(goAway, (message) => void expect(decodeGoAway(encodeGoAway(message))).toEqual(message)));
  });

  test('fields that are not known are ignored', () => {
    expect(decodeGoAway(JSON.stringify({ ...valid, more: [1] }))).toEqual(valid);
  });

  test('anything else is refused with its code, and nothing else is thrown', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
        try {
          decodeGoAway(body);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(LosslessError);
          expect((thrown as LosslessError).code).toBe('LOSSLESS_GOAWAY_INVALID');
        }
      }),
    );
  });

  test.each([
    ['`provider`', { ...valid, provider: [] }],
    ['`provider.service`', { ...valid, provider: { ...valid.provider, service: '' } }],
    ['`provider.instanceId`', { ...valid, provider: { ...valid.provider, instanceId: 'x'.repeat(129) } }],
    ['`provider.generation`', { ...valid, provider: { ...valid.provider, generation: 1.5 } }],
    ['`provider.address`', { ...valid, provider: { ...valid.provider, address: 7 } }],
    ['`expiresInMs`', { ...valid, expiresInMs: 600_001 }],
    [`${GOAWAY_LIMIT} bytes`, { ...valid, more: 'x'.repeat(GOAWAY_LIMIT) }],
  ])('names what is wrong: %s', (named, body) => {
    expect(() => decodeGoAway(JSON.stringify(body))).toThrow(named);
  });
});

describe('the lines of the answer', () => {
  test('what is written is read', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        (outstanding) =>
          void expect(decodeAck(encodeAck({ isolated: true, outstanding }))).toEqual({ isolated: true, outstanding }),
      ),
    );
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 100 }),
        (addresses) =>
          void expect(decodeIdle(encodeIdle({ idle: true, addresses }))).toEqual({ idle: true, addresses }),
      ),
    );
  });

  test('addresses are cut at a hundred', () => {
    const addresses = Array.from({ length: 101 }, (_, n) => `h:${n}`);
    expect(decodeIdle(encodeIdle({ idle: true, addresses }))?.addresses).toHaveLength(100);
  });

  test('anything else is no line', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect(decodeAck(line)).toBeUndefined();
        expect(decodeIdle(line)).toBeUndefined();
      }),
    );
  });
});
