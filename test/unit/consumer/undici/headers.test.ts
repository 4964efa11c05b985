import { expect, test } from 'vitest';
import { withHeaders } from '../../../../src/consumer/undici/headers.ts';

test.each([
  ['no headers', undefined, { host: 'b', 'lossless-consumer': 'c' }],
  ['null', null, { host: 'b', 'lossless-consumer': 'c' }],
  ['an object', { X: '1' }, { X: '1', host: 'b', 'lossless-consumer': 'c' }],
  ['an object that has both', { Host: 'h', 'LOSSLESS-consumer': 'm' }, { Host: 'h', 'lossless-consumer': 'c' }],
  ['a flat list', ['X', '1'], ['X', '1', 'host', 'b', 'lossless-consumer', 'c']],
  ['a flat list that has both', ['HOST', 'h', 'Lossless-Consumer', 'm'], ['HOST', 'h', 'lossless-consumer', 'c']],
  ['a list with a value that looks like a name', ['x', 'host'], ['x', 'host', 'host', 'b', 'lossless-consumer', 'c']],
  ['pairs', new Map([['x', '1']]), ['x', '1', 'host', 'b', 'lossless-consumer', 'c']],
  ['fetch headers', new Headers({ x: '1' }), ['x', '1', 'host', 'b', 'lossless-consumer', 'c']],
  ['pairs with several values', new Map([['x', ['1', '2']]]), ['x', ['1', '2'], 'host', 'b', 'lossless-consumer', 'c']],
])('adds its headers to %s', (_, headers, expected) => {
  expect(withHeaders(headers as never, 'b', 'c')).toEqual(expected);
});

test('without a consumer header only the host is added, and the original stays as it was', () => {
  const headers = { x: '1' };
  expect(withHeaders(headers, 'b', undefined)).toEqual({ x: '1', host: 'b' });
  expect(headers).toEqual({ x: '1' });
});
