import { expect, test } from 'vitest';
import { registryUrls } from '../../../src/config/registries.ts';

test.each([
  ['file:', ['file:///']],
  [' consul://a:1 ', ['consul://a:1']],
  ['consul://a:1,memory:b', ['consul://a:1', 'memory:b']],
  ['memory:b , consul://a:1?token=x,file:///tmp/a,b', ['memory:b', 'consul://a:1?token=x', 'file:///tmp/a,b']],
  ['consul://u:p@a:1,b:2,[::1]:3/x?dc=y', ['consul://u:p@a:1/x?dc=y&server=b%3A2&server=%5B%3A%3A1%5D%3A3']],
  ['consul://a,b,memory:c', ['consul://a?server=b', 'memory:c']],
])('%j names %j', (text, urls) => {
  expect(registryUrls(text).map(({ href }) => href)).toEqual(urls);
});

test.each([
  'redis://a',
  'consul://a:1,redis://b',
  'memory:a,memory:b,memory:c,memory:d,memory:e',
  `consul://${'a'.repeat(2_048)}`,
])('%j is refused', (text) => {
  expect(() => registryUrls(text)).toThrow(/^must be a URL beginning with file:/);
});
