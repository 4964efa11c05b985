import { expect, test } from 'vitest';
import { instancesOf, type Slice, sliceOf } from '../../../src/registry/endpoint-slice.ts';

function slice(fields: Partial<Slice> = {}): Slice {
  return { name: 's', ports: [{ name: 'http', port: 8080 }], endpoints: [{ addresses: ['192.0.2.1'] }], ...fields };
}

const addresses = (slices: Slice[], port?: string): string[] =>
  instancesOf(slices, 'shop', port).map((instance) => `${instance.scheme}://${instance.host}:${instance.port}`);

test('an endpoint is an instance without a generation', () => {
  const endpoint = { addresses: ['192.0.2.1'], targetRef: { name: 'shop-1' }, zone: 'eu-1', nodeName: 'n1' };
  expect(instancesOf([slice({ endpoints: [endpoint] })], 'shop', undefined)).toEqual([
    {
      service: 'shop',
      instanceId: 'shop-1:8080',
      generation: 0,
      host: '192.0.2.1',
      port: 8080,
      scheme: 'http',
      weight: 100,
      registeredAt: 0,
      metadata: { zone: 'eu-1', node: 'n1' },
    },
  ]);
});

test.each([
  [{}, true],
  [{ ready: true }, true],
  [{ ready: null, terminating: null }, true],
  [{ ready: false }, false],
  [{ ready: false, serving: true, terminating: true }, false],
  [{ ready: true, serving: true, terminating: true }, false],
])('with the conditions %j it is listed: %j', (conditions, isListed) => {
  expect(addresses([slice({ endpoints: [{ addresses: ['192.0.2.1'], conditions }] })])).toHaveLength(isListed ? 1 : 0);
});

test('all slices count, and each address once', () => {
  const [one, two] = [{ addresses: ['192.0.2.1'] }, { addresses: ['192.0.2.2'] }];
  expect(addresses([slice({ endpoints: [one] }), slice({ endpoints: [one, two] })])).toEqual([
    'http://192.0.2.1:8080',
    'http://192.0.2.2:8080',
  ]);
});

test('a pod with two families of addresses is one instance, of IPv4', () => {
  const v4 = slice({ endpoints: [{ addresses: ['192.0.2.1'], targetRef: { name: 'shop-1' } }] });
  const v6 = slice({ endpoints: [{ addresses: ['2001:db8::1'], targetRef: { name: 'shop-1' } }] });
  expect(addresses([v4, v6])).toEqual(['http://192.0.2.1:8080']);
  expect(addresses([v6, v4])).toEqual(['http://192.0.2.1:8080']);
  expect(addresses([v6])).toEqual(['http://2001:db8::1:8080']);
});

test('the port is the one that is wanted, else the likeliest', () => {
  const ports = [
    { name: 'metrics', port: 9090 },
    { name: 'https', port: 8443 },
    { name: 'main', port: 8080, appProtocol: 'http' },
  ];
  expect(addresses([slice({ ports })])).toEqual(['http://192.0.2.1:8080']);
  expect(addresses([slice({ ports })], 'https')).toEqual(['https://192.0.2.1:8443']);
  expect(addresses([slice({ ports })], '9090')).toEqual(['http://192.0.2.1:9090']);
  expect(addresses([slice({ ports })], 'none')).toEqual([]);
  expect(addresses([slice({ ports: [{ name: 'a', port: 1 }] })])).toEqual(['http://192.0.2.1:1']);
  expect(addresses([slice({ ports: [] })])).toEqual([]);
  expect(addresses([slice({ ports: [{ name: null, port: null }] })])).toEqual([]);
});

test.each([null, 1, {}, { metadata: {} }])('%j is no slice', (value) => {
  expect(() => sliceOf(value)).toThrow('a slice has no name');
});
