import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { advertisable } from '../../../../src/provider/registration/advertise.ts';

const bound = (address: string) => ({ address, port: 8_080, family: 'IPv4' });
/** The likeliest address. */
const advertise = async (...parameters: Parameters<typeof advertisable>) => (await advertisable(...parameters))[0];
const file = new URL('file:///tmp/registry');

describe('the address that is registered', () => {
  test('is the configured one; its port, if there is one, is of the outside', async () => {
    expect(await advertise(bound('0.0.0.0'), { host: 'pod.example' }, file)).toEqual({
      host: 'pod.example',
      port: 8_080,
    });
    expect(await advertise(bound('0.0.0.0'), { host: '192.0.2.1', port: 80 }, file)).toEqual({
      host: '192.0.2.1',
      port: 80,
    });
  });

  test('is the one the server is bound to', async () => {
    expect(await advertise(bound('192.0.2.7'), undefined, new URL('nacos://127.0.0.1:8848'))).toEqual({
      host: '192.0.2.7',
      port: 8_080,
    });
  });

  test.each(['0.0.0.0', '::'])('is loopback for %s and a registry on this machine', async (wildcard) => {
    expect(await advertise(bound(wildcard), undefined, file)).toEqual({ host: '127.0.0.1', port: 8_080 });
    expect(await advertise(bound(wildcard), undefined, new URL('nacos://127.0.0.1:8848'))).toEqual({
      host: '127.0.0.1',
      port: 8_080,
    });
  });

  const addresses = Object.values(networkInterfaces())
    .flat()
    .filter((each) => each?.family === 'IPv4' && !each.internal)
    .map((each) => each?.address ?? '');

  test.skipIf(addresses.length === 0).each(addresses)(
    'is that of the interface towards the registry, whichever others there are: %s',
    async (address) => {
      expect(await advertise(bound('::'), undefined, new URL(`nacos://${address}:8848`))).toEqual({
        host: address,
        port: 8_080,
      });
    },
  );

  test('is loopback when the registry cannot be routed to', async () => {
    expect(await advertise(bound('::'), undefined, new URL('nacos://no-such-host.invalid:1'))).toEqual({
      host: '127.0.0.1',
      port: 8_080,
    });
  });
});
