import { expect, test } from 'vitest';
import { isObject, objectIn, objectOf, parseJson, parseObject, valueIn } from '../../src/json.ts';

test('each text becomes its JSON value', () => {
  expect(valueIn('null')).toBeNull();
  expect(parseJson('[1]', 'it')).toEqual([1]);
  expect(parseObject('{"a":1}', 'it')).toEqual({ a: 1 });
  expect(objectIn('{"a":1}')).toEqual({ a: 1 });
});

test('text that is not JSON becomes undefined, or an error that does not repeat the text', () => {
  expect(valueIn('s3cret')).toBeUndefined();
  expect(() => parseJson('s3cret', 'the answer')).toThrow(/^the answer is not JSON$/);
});

test.each(['null', '[]', '7', '"text"', ''])('%j is not an object', (text) => {
  expect(isObject(valueIn(text))).toBe(false);
  expect(objectIn(text)).toBeUndefined();
  expect(() => parseObject(text, 'it')).toThrow(/^it is not (a JSON object|JSON)$/);
  expect(() => objectOf(valueIn(text), '`a`')).toThrow(/^`a` is not a JSON object$/);
});
