import { expect, test } from 'vitest';
import { decodeEntry, encodeEntry } from '../../../../src/registry/zookeeper/entry.ts';
import { anInstance } from '../../../support/an-instance.ts';

/** As Spring Cloud writes it. */
const spring = {
  name: 'shop',
  id: '1234',
  address: '192.0.2.9',
  port: 8_001,
  sslPort: null,
  payload: {
    '@class': 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance',
    id: 'shop',
    name: 'shop',
    metadata: { instance_status: 'UP', zone: 'eu-3', weight: '20' },
  },
  registrationTimeUTC: 1_700_000_000_000,
  serviceType: 'DYNAMIC',
  uriSpec: { parts: [{ value: 'scheme', variable: true }] },
};

const decode = (entry: object) => decodeEntry(JSON.stringify(entry), 'shop');

test('an entry is read as it was written', () => {
  const instance = anInstance({ service: 'shop', scheme: 'https', weight: 7, metadata: { zone: 'a' } });
  for (const isForSpring of [false, true]) {
    expect(decodeEntry(encodeEntry(instance, isForSpring), 'shop')).toEqual([instance]);
    expect(decodeEntry(encodeEntry(instance, isForSpring), 'other')).toEqual([]);
  }
});

test('an entry has the fields of kratos and of Curator', () => {
  const instance = anInstance({ host: '2001:db8::7', port: 443, scheme: 'https', weight: 40 });
  expect(JSON.parse(encodeEntry(instance, false))).toMatchObject({
    id: instance.instanceId,
    name: instance.service,
    metadata: { weight: '40' },
    endpoints: ['https://[2001:db8::7]:443'],
    address: '2001:db8::7',
    port: null,
    sslPort: 443,
    payload: null,
    registrationTimeUTC: instance.registeredAt,
    serviceType: 'DYNAMIC',
  });
});

test('what Spring Cloud has written is read, with its labels', () => {
  expect(decode(spring)).toEqual([
    {
      service: 'shop',
      instanceId: '1234',
      generation: 0,
      host: '192.0.2.9',
      port: 8_001,
      scheme: 'http',
      weight: 20,
      registeredAt: 0,
      metadata: spring.payload.metadata,
    },
  ]);
  expect(decode({ ...spring, sslPort: 8_443, payload: 'text' })).toMatchObject([
    { port: 8_443, scheme: 'https', weight: 100, metadata: {} },
  ]);
});

test.each([
  ['of another service', { name: 'other' }],
  ['that is not enabled', { enabled: false }],
  ['that is out of service', { payload: { metadata: { instance_status: 'OUT_OF_SERVICE' } } }],
])('an instance of Curator %s is left out', (_, fields) => {
  expect(decode({ ...spring, ...fields })).toEqual([]);
});

test.each([{ address: null }, { port: null }])(
  'an instance of Curator without an address is an error: %j',
  (fields) => {
    expect(() => decode({ ...spring, ...fields })).toThrow(/is not/);
  },
);

test('an instance of Curator with odd labels or ids is still listed', () => {
  expect(decode({ ...spring, id: 7, payload: { metadata: { zone: 1, odd: null } } })).toMatchObject([
    { instanceId: '7', metadata: { zone: '1' } },
  ]);
});
