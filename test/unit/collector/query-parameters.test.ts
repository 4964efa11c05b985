import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { duration, moment, tags, wholeNumber } from '../../../collector/server/query-parameters.ts';
import { Refused } from '../../../collector/server/refused.ts';

const query = (value: string): URLSearchParams => new URLSearchParams({ p: value });

describe('parameters of a query', () => {
  test.each([
    ['800ms', 800_000],
    ['1m30s', 90_000_000],
    ['1.5h', 5_400_000_000],
    ['.5s', 500_000],
    ['-2us', -2],
    ['+1µs', 1],
    ['1μs', 1],
    ['500ns', 0.5],
    ['0', 0],
    ['', undefined],
  ])('"%s" is a duration', (text, expected) => {
    expect(duration(query(text), 'p')).toBe(expected);
  });

  test.each(['5', 'fast', '1s2', '1 s', 's', '--1s', '1d', '1e3s'])('"%s" is not a duration', (text) => {
    expect(() => duration(query(text), 'p')).toThrow(Refused);
  });

  test.each([
    ['2026-01-31T12:00:00Z', 1_769_860_800_000_000],
    ['2026-01-31T12:00:00.123456789Z', 1_769_860_800_123_456],
    ['2026-01-31T13:00:00.5+01:00', 1_769_860_800_500_000],
    ['', undefined],
  ])('"%s" is a moment', (text, expected) => {
    expect(moment(query(text), 'p')).toBe(expected);
  });

  test.each(['yesterday', '2026-01-31', '2026-01-31 12:00:00Z', '2026-13-31T12:00:00Z', '2026-01-31T12:00:00'])(
    '"%s" is not a moment',
    (text) => {
      expect(() => moment(query(text), 'p')).toThrow(Refused);
    },
  );

  test('tags of both forms come together', () => {
    expect(tags(new URLSearchParams('tag=a:b:c&tag=d:&tags={"e":"f"}'))).toEqual({ a: 'b:c', d: '', e: 'f' });
  });

  test('any text is either read or refused', () => {
    const readers = [duration, moment, wholeNumber];
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const read of readers)
          try {
            const value = read(query(text), 'p');
            expect(value === undefined || Number.isFinite(value)).toBe(true);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(Refused);
          }
        try {
          tags(new URLSearchParams({ tags: text, tag: text }));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Refused);
        }
      }),
    );
  });
});
