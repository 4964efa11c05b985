import { expect, test } from 'vitest';
import { normalise } from '../../../src/consumer/sender.ts';

test.each([
  ['127.0.0.1', 'loopback'],
  ['127.8.8.8', 'loopback'],
  ['::1', 'loopback'],
  ['localhost', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::FFFF:10.0.0.5', '10.0.0.5'],
  ['10.0.0.5', '10.0.0.5'],
  ['fe80::1%eth0', 'fe80::1'],
  ['127.0.0.1.example', '127.0.0.1.example'],
  ['1270.0.0.1', '1270.0.0.1'],
])('%s is %s', (host, spelling) => {
  expect(normalise(host)).toBe(spelling);
});
