import fc from 'fast-check';
import { parseItem } from 'structured-headers';
import { describe, expect, test } from 'vitest';
import {
  decodeConsumer,
  decodeDraining,
  encodeConsumer,
  encodeDraining,
  HEADER_LIMIT,
} from '../../../src/protocol/header.ts';

const name = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abcXYZ019._- "\\:/;=') });
const identity = fc.record({
  service: name,
  instanceId: name,
  generation: fc.integer({ min: 0, max: 999_999_999_999_999 }),
});
const caller = fc.tuple(identity, fc.integer({ min: 1, max: 65_535 })).map(([who, port]) => ({ ...who, port }));

describe('lossless-consumer', () => {
  test('what is written is read', () => {
    fc.assert(fc.property(caller, (who) => void expect(decodeConsumer(encodeConsumer(who))).toEqual(who)));
  });

  test('what is written is a structured field of RFC 9651', () => {
    fc.assert(
      fc.property(caller, (who) => {
        const [value, parameters] = parseItem(encodeConsumer(who));
        expect({
          service: value,
          instanceId: parameters.get('id'),
          generation: parameters.get('gen'),
          port: parameters.get('port'),
        }).toEqual(who);
      }),
    );
  });

  test('whatever a parser of the standard rejects is rejected', () => {
    const almost = fc.tuple(caller, fc.nat(), fc.string({ maxLength: 3 })).map(([who, at, noise]) => {
      const header = encodeConsumer(who);
      const cut = at % header.length;
      return header.slice(0, cut) + noise + header.slice(cut + 1);
    });
    fc.assert(
      fc.property(fc.oneof(almost, fc.string()), (header) => {
        const ours = decodeConsumer(header);
        if (ours !== undefined) expect(() => parseItem(header)).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['too long', encodeConsumer({ service: 'a', instanceId: 'b'.repeat(HEADER_LIMIT), generation: 1, port: 1 })],
    ['no id', '"a";gen=1;port=1'],
    ['no port', '"a";id="b";gen=1'],
    ['port out of range', '"a";id="b";gen=1;port=65536'],
    ['a port of text', '"a";id="b";gen=1;port="1"'],
    ['a generation with a fraction', '"a";id="b";gen=1.5;port=1'],
    ['a negative generation', '"a";id="b";gen=-1;port=1'],
    ['no service', '"";id="b";gen=1;port=1'],
    ['two values joined', '"a";id="b";gen=1;port=1, "a";id="b";gen=1;port=1'],
    ['empty', ''],
  ])('is ignored: %s', (_, header) => {
    expect(decodeConsumer(header)).toBeUndefined();
  });

  describe('a host', () => {
    const who = { service: 'a', instanceId: 'b', generation: 1, port: 2, host: '192.0.2.7' };
    const signed = encodeConsumer(who, 'secret');

    test('is believed when it is signed', () => {
      expect(decodeConsumer(signed, 'secret')).toEqual(who);
    });

    test.each([
      ['without a secret here', signed, undefined],
      ['with another secret', signed, 'other'],
      ['when the host was changed', signed.replace('192.0.2.7', '192.0.2.8'), 'secret'],
      ['when the port was changed', signed.replace('port=2', 'port=3'), 'secret'],
      ['without a signature', '"a";id="b";gen=1;port=2;host="192.0.2.7"', 'secret'],
    ])('is dropped %s', (_, header, secret) => {
      expect(decodeConsumer(header, secret)).not.toHaveProperty('host');
    });

    test('is not sent without a secret', () => {
      expect(encodeConsumer(who)).not.toContain('host');
    });
  });
});

describe('lossless-draining', () => {
  test('what is written is read', () => {
    fc.assert(fc.property(identity, (who) => void expect(decodeDraining(encodeDraining(who))).toEqual(who)));
  });

  test('hostile text never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (header) => void decodeDraining(header)));
  });

  test('a long hostile value takes linear time', () => {
    const begun = performance.now();
    for (let n = 0; n < 1_000; n++) decodeDraining(`"${'\\'.repeat(500)}`);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});
