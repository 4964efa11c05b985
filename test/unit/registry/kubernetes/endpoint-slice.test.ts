import { expect, test } from 'vitest';
import {
  instancesOf,
  type Slice,
  type SliceTold,
  sliceOf,
} from '../../../../src/registry/kubernetes/endpoint-slice.ts';

function slice(fields: Partial<Slice> = {}): Slice {
  return { name: 's', ports: [{ name: 'http', port: 8080 }], endpoints: [{ addresses: ['192.0.2.1'] }], ...fields };
}

const silent = { onChoice: () => {}, onCorrupt: () => {} };
const addresses = (slices: Slice[], port?: string, told: Partial<SliceTold> = {}): string[] =>
  instancesOf(slices, 'shop', port, { ...silent, ...told }).map(
    (instance) => `${instance.scheme}://${instance.host}:${instance.port}`,
  );

test('an endpoint is an instance without a generation', () => {
  const endpoint = { addresses: ['192.0.2.1'], targetRef: { name: 'shop-1' }, zone: 'eu-1', nodeName: 'n1' };
  expect(instancesOf([slice({ endpoints: [endpoint] })], 'shop', undefined, silent)).toEqual([
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
      endpoints: [{ protocol: 'http', port: 8080, secure: false }],
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
])('whether an endpoint with the conditions %j is listed: %j', (conditions, isListed) => {
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

test('the port is the configured one, else the likeliest', () => {
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

const port = (name: string, number: number, more: object = {}) => ({ name, port: number, ...more });

test.each([
  [
    'UDP before TCP',
    [port('dns', 53, { protocol: 'UDP' }), port('api', 8080, { protocol: 'TCP' })],
    'http://192.0.2.1:8080',
  ],
  ['UDP of the same name', [port('http', 53, { protocol: 'UDP' }), port('api', 8080)], 'http://192.0.2.1:8080'],
  ['SCTP', [port('http', 53, { protocol: 'SCTP' }), port('a', 8080)], 'http://192.0.2.1:8080'],
  ['a suffix', [port('grpc-admin', 9090), port('http-api', 8080)], 'http://192.0.2.1:8080'],
  ['gRPC before a port without a name', [port('grpc', 9090), port('', 8080)], 'http://192.0.2.1:8080'],
  ['gRPC by appProtocol', [port('http', 9090, { appProtocol: 'grpc' }), port('x', 8080)], 'http://192.0.2.1:8080'],
  ['h2c', [port('h2c', 9090), port('x', 8080)], 'http://192.0.2.1:8080'],
  ['h2c by appProtocol', [port('http', 1, { appProtocol: 'kubernetes.io/h2c' }), port('x', 2)], 'http://192.0.2.1:2'],
  ['HTTP/2', [port('http2', 9090), port('x', 8080)], 'http://192.0.2.1:8080'],
  ['WebSocket', [port('grpc', 9090), port('x', 8080, { appProtocol: 'kubernetes.io/ws' })], 'http://192.0.2.1:8080'],
  ['another appProtocol', [port('http', 1, { appProtocol: 'example.com/own' }), port('x', 2)], 'http://192.0.2.1:2'],
  ['TLS by a suffix', [port('https-api', 8443)], 'https://192.0.2.1:8443'],
  ['TLS by appProtocol', [port('api', 8443, { appProtocol: 'HTTPS' })], 'https://192.0.2.1:8443'],
  ['HTTP before HTTPS', [port('https', 8443), port('http', 8080)], 'http://192.0.2.1:8080'],
  ['the plain name first', [port('http-metrics', 9090), port('http', 8080)], 'http://192.0.2.1:8080'],
  ['capitals', [port('GRPC', 9090), port('HTTP-api', 8080)], 'http://192.0.2.1:8080'],
  ['a port of an unknown protocol comes last', [port('tcp-x', 1), port('api', 2)], 'http://192.0.2.1:2'],
  ['a database', [port('mysql', 3306), port('tcp', 80)], 'http://192.0.2.1:80'],
])('consumers call the port of a Service that speaks HTTP: %s', (_, ports, expected) => {
  expect(addresses([slice({ ports })])).toEqual([expected]);
});

test.each([
  ['a name', port('grpc', 9090), 'grpc'],
  ['a name with a suffix', port('grpc-api', 9090), 'grpc'],
  ['TLS', port('grpcs', 9090), 'grpc'],
  ['appProtocol grpc', port('x', 9090, { appProtocol: 'grpc' }), 'grpc'],
  ['appProtocol kubernetes.io/grpc', port('x', 9090, { appProtocol: 'kubernetes.io/grpc' }), 'grpc'],
  ['appProtocol kubernetes.io/h2c', port('x', 9090, { appProtocol: 'kubernetes.io/h2c' }), 'h2'],
])('a port for gRPC is an endpoint beside that of HTTP, and the main one alone: %s', (_, grpc, protocol) => {
  const endpointsOf = (...ports: object[]) =>
    instancesOf([slice({ ports })], 'shop', undefined, silent).map(({ port: main, endpoints }) => ({
      main,
      endpoints: endpoints?.map((each) => `${each.protocol}:${each.port}`),
    }));
  expect(endpointsOf(grpc, port('api', 8080))).toEqual([{ main: 8080, endpoints: ['http:8080', `${protocol}:9090`] }]);
  expect(endpointsOf(grpc)).toEqual([{ main: 9090, endpoints: [`${protocol}:9090`] }]);
});

test('a Service without a port for HTTP or gRPC is not called, and the message says what to do', () => {
  const told: string[] = [];
  const ports = [port('amqp', 9090), port('mysql', 3306)];
  expect(addresses([slice({ ports })], undefined, { onChoice: (message) => told.push(message) })).toEqual([]);
  expect(told.join()).toContain('port=');
  expect(addresses([slice({ ports })], 'amqp')).toEqual(['http://192.0.2.1:9090']);
});

test.each([
  [[port('http-a', 1), port('http-b', 2)], true],
  [[port('a', 1), port('b', 2)], true],
  [[port('http', 1), port('http-b', 2)], false],
  [[port('http', 1), port('https', 2)], false],
  [[port('http', 1), port('grpc', 2)], false],
])('of the ports %j a choice is logged: %s', (ports, isTold) => {
  const told: string[] = [];
  addresses([slice({ ports })], undefined, { onChoice: (message) => told.push(message) });
  expect(told.join().includes('port=')).toBe(isTold);
});

test('a pod that comes back under its name is another instance', () => {
  const of = (uid: string) => slice({ endpoints: [{ addresses: ['192.0.2.1'], targetRef: { name: 'web-0', uid } }] });
  const uids = ['one', 'two'].map((uid) => instancesOf([of(uid)], 'shop', undefined, silent)[0]?.uid);
  expect(uids).toEqual(['one', 'two']);
});

test.each([null, {}, { addresses: null }, { addresses: [''] }, { addresses: ['169.254.1.1'] }, { addresses: [7] }])(
  'the endpoint %j is passed over, and not the others',
  (odd) => {
    const endpoints = [odd as never, { addresses: ['192.0.2.1'], targetRef: null, conditions: null }];
    expect(addresses([slice({ endpoints })])).toEqual(['http://192.0.2.1:8080']);
  },
);

test.each([null, 1, {}, { metadata: {} }])('%j is not a slice', (value) => {
  expect(() => sliceOf(value)).toThrow('a slice has no name');
});
