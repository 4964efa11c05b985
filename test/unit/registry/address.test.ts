import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressKey, hostOf, hostPortOf, newestByAddress } from '../../../src/registry/address.ts';
import { anInstance } from '../../support/an-instance.ts';

describe('a host', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    [' 10.0.0.1\n', '10.0.0.1'],
    ['[10.0.0.1]', '10.0.0.1'],
    ['[::1]', '::1'],
    ['::1%lo', '::1'],
    ['[2001:db8::1%eth0]', '2001:db8::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['web-0.shop.svc.cluster.local', 'web-0.shop.svc.cluster.local'],
    ['web-0.shop.', 'web-0.shop.'],
    ['Web_1', 'Web_1'],
    ['localhost', 'localhost'],
  ])('%j is read as %s', (text, host) => {
    expect(hostOf(text)).toBe(host);
    expect(URL.canParse(`http://${host.includes(':') ? `[${host}]` : host}:80`)).toBe(true);
  });

  test.each([
    ...[
      'http://10.0.0.1',
      'http://10.0.0.1:80/',
      '10.0.0.1:80',
      '10.0.0.1/x',
      'user@host',
      'a#b',
      'a b',
      'a%20b',
      '10.0\n.0.1',
    ],
    ...[
      '[::1',
      '::1]',
      '[[::1]]',
      'a..b',
      '-a',
      'a-',
      '.',
      '',
      ' ',
      'host%eth0',
      'b\u00fccher',
      'x'.repeat(64),
      'a.'.repeat(150),
    ],
    ...['256.1.1.1', '1.2.3', '1.2.3.4.', '2130706433', '0x7f000001', 'a.1', 'a.0x1'],
  ])('%j is not a host', (text) => {
    expect(() => hostOf(text)).toThrow('expected `host` to be an IP address or the name of a host');
  });

  test.each([
    ['0.0.0.0', 'not an address of a host'],
    ['::', 'not an address of a host'],
    ['169.254.169.254', 'a link-local address'],
    ['::ffff:169.254.169.254', 'a link-local address'],
    ['fe80::1', 'a link-local address'],
    ['fe80::1%eth0', 'a link-local address'],
    ['febf::1', 'a link-local address'],
    ['224.0.0.1', 'a multicast address'],
    ['ff02::1', 'a multicast address'],
    ['255.255.255.255', 'a reserved address'],
    ['fd00:ec2::254', 'the metadata of a cloud machine'],
  ])('%s is refused: it is %s', (text, what) => {
    expect(() => hostOf(text)).toThrow(what);
  });

  test.each([undefined, null, 7, {}, ['10.0.0.1']])('%j is not a host', (value) => {
    expect(() => hostOf(value)).toThrow('`host` is not text');
  });

  test('an accepted host fits into a URL and reads as itself, and a message repeats one line of a refused one at most', () => {
    const some = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(some, (text) => {
        try {
          const host = hostOf(text);
          expect(hostOf(host)).toBe(host);
          const url = new URL(`http://${host.includes(':') ? `[${host}]` : host}:80`);
          expect(url.hostname.replace(/^\[|\]$/g, '')).toBe(host.toLowerCase());
        } catch (thrown) {
          expect((thrown as Error).message).toMatch(/^(expected `host`|`host` is not).{0,700}$/);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

test('one address has one spelling', () => {
  expect(addressKey({ host: 'Web-0', port: 1 })).toBe('web-0:1');
  expect(addressKey({ host: '0:0::1', port: 1 })).toBe('[::1]:1');
  expect(hostPortOf('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect(hostPortOf('shop:80')).toEqual({ host: 'shop', port: 80 });
  expect(hostPortOf('')).toBeUndefined();
  expect(hostPortOf('shop')).toBeUndefined();
});

test('of the entries with one address the newest stands for all', () => {
  const entry = (instanceId: string, generation: number, port = 1) => anInstance({ instanceId, generation, port });
  const list = [entry('foreign', 0), entry('dead', 1), entry('ours', 2), entry('other', 0, 2)];
  expect([...newestByAddress(list).values()].map(({ instanceId }) => instanceId)).toEqual(['ours', 'other']);
});
