import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sign, Verifier } from '../../../src/protocol/signature.ts';
import { keysOf } from '../../support/keys.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const keys = keysOf('secret');
const others = keysOf('other');

describe('the signature of a GoAway', () => {
  const clock = new SimulatedClock();
  const verifier = () => new Verifier(keys, 'goaway', clock);

  test('a signed body is accepted', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (audience, body) =>
        verifier().verify(sign(keys, 'goaway', audience, body, clock.wall()), audience, body),
      ),
    );
  });

  test('is accepted once', () => {
    const once = verifier();
    const header = sign(keys, 'goaway', 'b', 'body', clock.wall());
    once.verify(header, 'b', 'body');
    expect(() => once.verify(header, 'b', 'body')).toThrow('used before');
  });

  test('no changed character is accepted', () => {
    const header = sign(keys, 'goaway', 'b', 'body', clock.wall());
    fc.assert(
      fc.property(fc.nat(header.length - 1), fc.constantFrom(...'abcXYZ019-_;='), (at, character) => {
        fc.pre(header[at] !== character);
        const changed = header.slice(0, at) + character + header.slice(at + 1);
        expect(() => verifier().verify(changed, 'b', 'body')).toThrow('LOSSLESS_SIGNATURE_INVALID');
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['missing', undefined, 'b', 'body'],
    ['malformed', 'nonsense', 'b', 'body'],
    ['of another body', sign(keys, 'goaway', 'b', 'other', clock.wall()), 'b', 'body'],
    ['for another consumer', sign(keys, 'goaway', 'c', 'body', clock.wall()), 'b', 'body'],
    ['of another secret', sign(others, 'goaway', 'b', 'body', clock.wall()), 'b', 'body'],
    ['too old', sign(keys, 'goaway', 'b', 'body', clock.wall() - 60_001), 'b', 'body'],
    ['of the future', sign(keys, 'goaway', 'b', 'body', clock.wall() + 60_001), 'b', 'body'],
  ])('is refused: %s', (_, header, audience, body) => {
    expect(() => verifier().verify(header, audience, body)).toThrow('LOSSLESS_SIGNATURE_INVALID');
  });

  test('hostile text is refused with its code', () => {
    const almost = fc
      .tuple(fc.nat(), fc.base64String({ minLength: 20, maxLength: 24 }), fc.string())
      .map(([time, nonce, mac]) => `t=${time};n=${nonce};s=${mac}`);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), almost), (header) => {
        expect(() => verifier().verify(header, 'b', 'body')).toThrow(
          expect.objectContaining({ code: 'LOSSLESS_SIGNATURE_INVALID' }),
        );
      }),
    );
  });

  test('a time at the edge is accepted', () => {
    for (const off of [-60_000, 60_000])
      verifier().verify(sign(keys, 'goaway', 'b', 'body', clock.wall() + off), 'b', 'body');
  });

  test('a refused signature uses up no nonce', () => {
    const once = verifier();
    const header = sign(keys, 'goaway', 'b', 'body', clock.wall());
    expect(() => once.verify(header, 'b', 'other')).toThrow();
    once.verify(header, 'b', 'body');
  });

  test('parts cannot be shifted into each other', () => {
    expect(() => verifier().verify(sign(keys, 'goaway', 'ab', 'c', clock.wall()), 'a', 'bc')).toThrow();
  });

  test('a signature from the future is remembered until its very last millisecond', async () => {
    const own = new SimulatedClock();
    const once = new Verifier(keys, 'goaway', own);
    const header = sign(keys, 'goaway', 'b', 'body', own.wall() + 60_000);
    once.verify(header, 'b', 'body');
    await own.advance(120_000);
    expect(() => once.verify(header, 'b', 'body')).toThrow('used before');
    await own.advance(1);
    expect(() => once.verify(header, 'b', 'body')).toThrow('check the clocks');
  });

  test('a nonce is forgotten when it can no longer be replayed', async () => {
    const own = new SimulatedClock();
    const once = new Verifier(keys, 'goaway', own);
    for (let n = 0; n < 100_000; n++) once.verify(sign(keys, 'goaway', 'b', '', own.wall()), 'b', '');
    expect(() => once.verify(sign(keys, 'goaway', 'b', '', own.wall()), 'b', '')).toThrow('too many');
    await own.advance(120_001);
    once.verify(sign(keys, 'goaway', 'b', '', own.wall()), 'b', '');
  });

  describe('while a secret is replaced', () => {
    const fleets = { old: ['old'], both: ['old', 'new'], turned: ['new', 'old'], new: ['new'] };
    const neighbours = [
      ...['old', 'both', 'turned'].flatMap((one) => [
        ['old', one],
        [one, 'old'],
      ]),
      ...['both', 'turned', 'new'].flatMap((one) => [
        ['new', one],
        [one, 'new'],
      ]),
      ...[
        ['both', 'turned'],
        ['turned', 'both'],
        ['both', 'both'],
      ],
    ] as [keyof typeof fleets, keyof typeof fleets][];

    test.each(neighbours)('what %s signs %s accepts', (from, to) => {
      const header = sign(keysOf(...fleets[from]), 'goaway', 'b', 'body', clock.wall());
      new Verifier(keysOf(...fleets[to]), 'goaway', clock).verify(header, 'b', 'body');
    });

    test('instances with only the old and only the new secret refuse each other', () => {
      const header = sign(keysOf('old'), 'goaway', 'b', 'body', clock.wall());
      expect(() => new Verifier(keysOf('new'), 'goaway', clock).verify(header, 'b', 'body')).toThrow('does not match');
    });
  });

  test('a signature is valid for its purpose only', () => {
    const header = sign(keys, 'operator', 'b', 'body', clock.wall());
    expect(() => verifier().verify(header, 'b', 'body')).toThrow('does not match');
    new Verifier(keys, 'operator', clock).verify(header, 'b', 'body');
  });

  describe('of version 0.1.0, whose key is the secret itself', () => {
    const nonce = 'n'.repeat(22);
    const proof = createHmac('sha256', 'secret')
      .update(JSON.stringify([String(clock.wall()), nonce, 'b', 'body']))
      .digest('base64url');
    const header = `t=${clock.wall()};n=${nonce};s=${proof}`;

    test('is accepted for a GoAway, once', () => {
      const once = verifier();
      once.verify(header, 'b', 'body');
      expect(() => once.verify(header, 'b', 'body')).toThrow('used before');
      expect(() => verifier().verify(header, 'c', 'body')).toThrow('does not match');
    });

    test('is not accepted for an operator', () => {
      expect(() => new Verifier(keys, 'operator', clock).verify(header, 'b', 'body')).toThrow();
    });
  });
});
