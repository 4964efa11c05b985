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
  test('comes back as it was written', () => {
    fc.assert(fc.property(goAway, (message) => void expect(decodeGoAway(encodeGoAway(message))).toEqual(message)));
  });

  test('unknown fields are ignored', () => {
    expect(decodeGoAway(JSON.stringify({ ...valid, more: [1] }))).toEqual(valid);
  });

  test('the ports of a provider with several are read, and a list of anything else is refused', () => {
    const withPorts = (ports: unknown) => JSON.stringify({ ...valid, provider: { ...valid.provider, ports } });
    expect(decodeGoAway(withPorts([1, 9090]))).toMatchObject({ provider: { ports: [1, 9090] } });
    for (const ports of [{}, [0], [65_536], ['1'], Array(17).fill(1)])
      expect(() => decodeGoAway(withPorts(ports))).toThrow('provider.ports');
  });

  test('any other body is refused with its code', () => {
    const almost = fc
      .record(
        {
          provider: fc.record(
            {
              service: fc.jsonValue(),
              instanceId: fc.jsonValue(),
              generation: fc.jsonValue(),
              address: fc.jsonValue(),
            },
            { requiredKeys: [] },
          ),
          expiresInMs: fc.jsonValue(),
        },
        { requiredKeys: [] },
      )
      .map((body) => JSON.stringify(body));
    const hostile = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), almost);
    fc.assert(
      fc.property(hostile, (body) => {
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
  test('comes back as it was written', () => {
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

  test('version and zone of a consumer are optional, and left out unless they are short text', () => {
    const ack = { isolated: true, outstanding: 3, version: '2.1.0', zone: 'eu-1' } as const;
    expect(decodeAck(encodeAck(ack))).toEqual(ack);
    for (const bad of [7, '', 'x'.repeat(129), null, {}])
      expect(decodeAck(JSON.stringify({ ...ack, version: bad, zone: bad }))).toEqual({
        isolated: true,
        outstanding: 3,
      });
  });

  test('an address that is not text is left out', () => {
    expect(decodeIdle('{"idle":true,"addresses":["h:1",7,null,"h:2"]}')?.addresses).toEqual(['h:1', 'h:2']);
  });

  test.each([
    '{"isolated":true}',
    '{"isolated":false,"outstanding":0}',
    '{"isolated":true,"outstanding":-1}',
    '{"isolated":true,"outstanding":1.5}',
    '{"idle":true}',
    '{"idle":true,"addresses":{}}',
    `{"isolated":true,"outstanding":0,"more":"${'x'.repeat(32_768)}"}`,
    `{"idle":true,"addresses":[],"more":"${'x'.repeat(32_768)}"}`,
  ])('refuse the line %.40s', (line) => {
    expect(decodeAck(line)).toBeUndefined();
    expect(decodeIdle(line)).toBeUndefined();
  });

  test('any other text is no line', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect(decodeAck(line)).toBeUndefined();
        expect(decodeIdle(line)).toBeUndefined();
      }),
    );
  });
});
