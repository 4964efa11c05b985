import { expect, test } from 'vitest';
import { decodeService } from '../../../../src/registry/consul/entry.ts';
import type { Instance } from '../../../../src/registry/registry.ts';

const decode = (service: object): string | undefined => {
  const found = decodeService(
    { Node: { Node: 'n' }, Service: { Service: 'shop', Address: '192.0.2.1', ...service } },
    'shop',
  );
  if (found === undefined) return undefined;
  const { scheme, port, endpoints } = found as Instance;
  const grpc = endpoints?.find(({ protocol }) => protocol === 'grpc');
  return `${scheme}:${port}${grpc === undefined ? '' : ` grpc:${grpc.port}`}`;
};

const port = (Name: string, Port: number, Default = false) => ({ Name, Port, Default });

test.each([
  [[port('grpc', 9090, true), port('http', 8080)], 'http:8080 grpc:9090'],
  [[port('api', 8080), port('main', 8081, true)], 'http:8081'],
  [[port('https-api', 8443, true)], 'https:8443'],
  [[port('grpc', 9090, true)], 'http:9090 grpc:9090'],
  [[port('mysql', 3306, true)], undefined],
])('consumers call the ports of %j that speak HTTP and gRPC', (Ports, expected) => {
  expect(decode({ Port: 0, Ports })).toBe(expected);
});

test.each([
  [{ Tags: ['secure=true'] }, 'https:80'],
  [{ Tags: ['gRPC_port=80'] }, 'http:80 grpc:80'],
  [{ Tags: ['gRPC_port=9090'] }, 'http:80 grpc:9090'],
  [{ Meta: { gRPC_port: '9090' } }, 'http:80 grpc:9090'],
  [{ Meta: { gRPC_port: '-1' } }, 'http:80'],
  [{ Meta: { secure: 'true' } }, 'https:80'],
  [{ Ports: null, Tags: null, Meta: null }, 'http:80'],
  [{ TaggedAddresses: { lan: { Address: '10.0.0.1', Port: 1 }, wan: { Address: '192.0.2.9', Port: 2 } } }, 'http:80'],
])('consumers call an instance with %j at these ports', (fields, expected) => {
  expect(decode({ Port: 80, ...fields })).toBe(expected);
});
