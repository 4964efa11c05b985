import { describe, expect, test } from 'vitest';
import { endpointOf } from '../../../src/registry/endpoints.ts';
import { anInstance } from '../../support/an-instance.ts';

const HTTP = { protocol: 'http', port: 8080, secure: false } as const;
const H2 = { protocol: 'h2', port: 8443, secure: true } as const;
const GRPC = { protocol: 'grpc', port: 9090, secure: false } as const;

describe('the endpoint of an instance for a call', () => {
  test.each([
    { protocol: 'http', endpoints: [HTTP, GRPC], goes: HTTP },
    { protocol: 'grpc', endpoints: [HTTP, GRPC], goes: GRPC },
    { protocol: 'http', endpoints: [H2, GRPC], goes: H2 },
    { protocol: 'http', endpoints: [GRPC], goes: undefined },
    { protocol: 'grpc', endpoints: [HTTP], goes: undefined },
    { protocol: 'grpc', endpoints: [HTTP, H2], goes: H2 },
    { protocol: 'h2', endpoints: [HTTP, GRPC], goes: GRPC },
    { protocol: 'h2', endpoints: [HTTP], goes: undefined },
  ] as const)(
    'a call of $protocol among $endpoints.length endpoints goes to $goes.port',
    ({ protocol, endpoints, goes }) => {
      expect(endpointOf(anInstance({ endpoints }), protocol)).toEqual(goes);
    },
  );

  test.each(['http', 'h2', 'grpc'] as const)('without endpoints a call of %s goes to the main port', (protocol) => {
    const instance = anInstance({ port: 7000, scheme: 'https' });
    expect(endpointOf(instance, protocol)).toEqual({ protocol, port: 7000, secure: true });
  });
});
