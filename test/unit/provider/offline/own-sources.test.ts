import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { ownInterfaces } from '../../../../src/io/own-interfaces.ts';
import { OwnSources } from '../../../../src/provider/offline/own-sources.ts';

function at(address: string, more: Partial<NetworkInterfaceInfo> = {}): NetworkInterfaceInfo {
  const family = address.includes(':') ? { family: 'IPv6' as const, scopeid: 0 } : { family: 'IPv4' as const };
  return { address, netmask: '', mac: '', internal: false, cidr: null, ...family, ...more } as NetworkInterfaceInfo;
}

const LOOPBACK = [at('127.0.0.1', { internal: true }), at('::1', { internal: true })];

test.each([
  ['127.0.0.1', undefined],
  ['::ffff:127.0.0.1', undefined],
  ['::1', undefined],
  ['127.0.0.6', '127.0.0.6'],
  ['192.0.2.1', undefined],
  ['::ffff:192.0.2.1', undefined],
  ['2001:db8::1', '2001:db8::1'],
  [undefined, undefined],
])('a connection from %s is bound to %s', (address, bound) => {
  const link = at('fe80::1', { family: 'IPv6', scopeid: 2 } as Partial<NetworkInterfaceInfo>);
  const interfaces = { lo: LOOPBACK, eth0: [at('192.0.2.1'), link, at('2001:db8::1'), at('2001:db8::2')] };
  expect(new OwnSources(interfaces).bindingFor(address)).toBe(bound);
});

test('of two addresses of a family the kernel may take either, so connections are bound', () => {
  const sources = new OwnSources({ lo: LOOPBACK, eth0: [at('192.0.2.1')], eth1: [at('198.51.100.1')] });
  expect(sources.bindingFor('192.0.2.1')).toBe('192.0.2.1');
});

test('where a sandbox does not list the interfaces, connections are bound', () => {
  const interfaces = ownInterfaces(() => {
    throw new Error('uv_interface_addresses returned Unknown system error 13');
  });
  expect(new OwnSources(interfaces).bindingFor('192.0.2.1')).toBe('192.0.2.1');
  expect(new OwnSources(interfaces).bindingFor('127.0.0.1')).toBeUndefined();
});
