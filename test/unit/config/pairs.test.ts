import { validateHeaderName, validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isAttribute, isHeader, isLabel, readPairs } from '../../../src/config/pairs.ts';

describe('pairs', () => {
  test('percent-encoded text is decoded', () => {
    const key = fc.stringMatching(/^[a-z][a-z.]{0,10}$/);
    // A lone surrogate has no percent-encoding.
    const value = fc.string({ unit: 'binary' }).map((text) => text.toWellFormed());
    fc.assert(
      fc.property(fc.dictionary(key, value), (values) => {
        const text = Object.entries(values).map(([name, of]) => `${name}=${encodeURIComponent(of)}`);
        expect(readPairs(text.join(' , '), isAttribute)).toEqual({ values, bad: 0 });
      }),
    );
  });

  test.each([
    ['', {}, 0],
    [' , ,', {}, 0],
    ['a', {}, 1],
    ['=a', {}, 1],
    [' =a', {}, 1],
    ['a=%', {}, 1],
    ['a=,b=1', { a: '', b: '1' }, 0],
    ['a=1=2', { a: '1=2' }, 0],
    ['a=1,a=2', { a: '2' }, 0],
    ['x,y,a=1', { a: '1' }, 2],
  ])('the text %j gives its valid pairs and the number of bad ones', (text, values, bad) => {
    expect(readPairs(text, isAttribute)).toEqual({ values, bad });
  });
});

test.each([
  ['version=2,team=a%20b,empty=', { version: '2', team: 'a b', empty: '' }, 0],
  ['weird key=1', {}, 1],
  [`${'a'.repeat(65)}=1`, {}, 1],
  [`a=${'é'.repeat(256)}`, { a: 'é'.repeat(256) }, 0],
  [`a=${'b'.repeat(257)}`, {}, 1],
  ['a=1%0A2', {}, 1],
])('the labels %j give their valid pairs and the number of bad ones', (text, values, bad) => {
  expect(readPairs(text, isLabel)).toEqual({ values, bad });
});

describe('a header', () => {
  test('that the plugin accepts is valid for Node.js too', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 3 }),
        fc.string({ unit: 'binary', maxLength: 3 }),
        (key, value) => {
          const accepted = (() => {
            try {
              validateHeaderName(key);
              validateHeaderValue(key, value);
              return true;
            } catch {
              return false;
            }
          })();
          expect(isHeader(key, value)).toBe(accepted);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test.each(['a=%0d%0ab: 1', 'a b=1', 'a=%E2%82%AC'])(
    'the header %s, which would fail every export, is left out',
    (text) => {
      expect(readPairs(text, isHeader)).toEqual({ values: {}, bad: 1 });
    },
  );
});
