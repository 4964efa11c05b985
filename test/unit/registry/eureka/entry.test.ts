import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeInfo, encodeInfo, infoIdOf } from '../../../../src/registry/eureka/entry.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';

const text = (minLength: number): fc.Arbitrary<string> => fc.string({ unit: 'binary', minLength, maxLength: 60 });
const whole = (max = Number.MAX_SAFE_INTEGER): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const instances: fc.Arbitrary<Instance> = fc.record({
  service: text(1),
  instanceId: text(1),
  generation: whole(),
  host: fc.domain(),
  port: whole(65_534).map((port) => port + 1),
  scheme: fc.constantFrom('http', 'https'),
  weight: fc.double({ min: 0, max: 1e9, noNaN: true }).map((weight) => weight + 0),
  registeredAt: whole(),
  metadata: fc.dictionary(fc.oneof(text(0), fc.constantFrom('lossless', 'weight', 'zone')), text(0), {
    maxKeys: 5,
    noNullPrototype: true,
  }),
});

/** As the server answers once the entry is in service. */
const inService = (instance: Instance): unknown => ({
  ...JSON.parse(JSON.stringify(encodeInfo(instance, 90, 1))),
  status: 'UP',
});

test('every instance comes back as it was written, and is out of service at first', () => {
  fc.assert(
    fc.property(instances, (instance) => {
      const info = encodeInfo(instance, 90, 1);
      expect(decodeInfo(info, instance.service)).toBeUndefined();
      expect(decodeInfo(inService(instance), instance.service)).toEqual(instance);
      expect(decodeInfo(inService(instance), `${instance.service}2`)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

test('what others read is plain: names of XML elements, no control characters', () => {
  fc.assert(
    fc.property(instances, (instance) => {
      for (const [name, label] of Object.entries(encodeInfo(instance, 90, 1).metadata)) {
        expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_.-]*$/);
        expect(label).not.toMatch(/\p{Cc}|\p{Cs}/u);
      }
    }),
  );
});

test('ids fit into paths, each instance has its own, and plain ids stay as they are', () => {
  expect(infoIdOf(anInstance({ service: 'shop', instanceId: '10.0.0.1:8080:ab-1' }))).toBe('shop:10.0.0.1:8080:ab-1');
  const of = (service: string, instanceId: string): string => infoIdOf(anInstance({ service, instanceId }));
  const odd = ['a/b', 'a\\b', '.', '..', '%2e', 'ü', ' ', '', 'x'.repeat(300), '~1'].map((id) => of('shop', id));
  expect(new Set([...odd, of('Shop', '1'), of('shop', '1')]).size).toBe(odd.length + 2);
  for (const id of odd) expect(id).toMatch(/^shop:[A-Za-z0-9:._~-]*$/);
});

test('anything is an instance, none, or an Error', () => {
  const entry = fc.oneof(
    fc.jsonValue(),
    fc.record({
      status: fc.constant('UP'),
      hostName: fc.jsonValue(),
      instanceId: fc.jsonValue(),
      port: fc.oneof(fc.jsonValue(), fc.record({ $: fc.jsonValue(), '@enabled': fc.constant('true') })),
      securePort: fc.jsonValue(),
      metadata: fc.oneof(fc.jsonValue(), fc.record({ lossless: fc.jsonValue() })),
    }),
  );
  fc.assert(
    fc.property(entry, (some) => {
      try {
        const found = decodeInfo(some, 'shop');
        if (found !== undefined) expect(found).toMatchObject({ service: 'shop', generation: 0 });
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error);
      }
    }),
    { numRuns: 500 },
  );
});

describe('an entry of others', () => {
  const info = {
    instanceId: 'host:shop:8080',
    hostName: 'host',
    ipAddr: '192.0.2.1',
    status: 'UP',
    port: { $: 8_080, '@enabled': 'true' },
    securePort: { $: 443, '@enabled': 'false' },
    metadata: { '@class': 'java.util.Collections$EmptyMap' },
  };
  const plain = { instanceId: 'host:shop:8080', host: 'host', port: 8_080, scheme: 'http', weight: 100, metadata: {} };

  test.each([
    ['plain', {}, {}],
    [
      'HTTPS',
      { securePort: { $: 8_443, '@enabled': 'true' } },
      { port: 8_443, scheme: 'https', endpoints: [{ protocol: 'http', port: 8_443, secure: true }] },
    ],
    [
      'a port of gRPC',
      { metadata: { gRPC_port: '9090' } },
      {
        metadata: { gRPC_port: '9090' },
        endpoints: [
          { protocol: 'http', port: 8_080, secure: false },
          { protocol: 'grpc', port: 9_090, secure: false },
        ],
      },
    ],
    ['numbers as text, and booleans', { port: { $: '8081', '@enabled': true } }, { port: 8_081 }],
    ['no host name', { hostName: '' }, { host: '192.0.2.1' }],
    ['no id', { instanceId: undefined }, { instanceId: 'host' }],
    ['a weight', { metadata: { weight: '3' } }, { weight: 300, metadata: { weight: '3' } }],
    ['an invalid weight', { metadata: { weight: 'x' } }, { weight: 100, metadata: { weight: 'x' } }],
    ['no metadata', { metadata: null }, {}],
  ])('is read: %s', (_, fields, expected) => {
    expect(decodeInfo({ ...info, ...fields }, 'shop')).toEqual({
      service: 'shop',
      generation: 0,
      registeredAt: 0,
      ...plain,
      ...expected,
    });
  });

  test.each(['DOWN', 'STARTING', 'OUT_OF_SERVICE', 'UNKNOWN', undefined])(
    'is no instance in the status %s',
    (status) => {
      expect(decodeInfo({ ...info, status }, 'shop')).toBeUndefined();
    },
  );

  test('is no instance without a port', () => {
    expect(decodeInfo({ ...info, port: { $: 8_080, '@enabled': 'false' } }, 'shop')).toBeUndefined();
  });
});
