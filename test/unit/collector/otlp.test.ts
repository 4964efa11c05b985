import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tagOf, textOf } from '../../../collector/server/attributes.ts';
import { decodeOtlp, timesOf } from '../../../collector/server/otlp.ts';
import { Refused } from '../../../collector/server/refused.ts';
import { hex, shutdownBodies } from '../../support/observe/otlp.ts';
import { foreignBody } from '../../support/observe/otlp-foreign.ts';

describe('decodeOtlp', () => {
  test('reads back its own output', () => {
    const groups = decodeOtlp(foreignBody(1_790_000_000_000).body).groups;
    const again = decodeOtlp(
      JSON.stringify({
        resourceSpans: groups.map(({ origin, spans }) => ({
          resource: { attributes: origin.resource },
          scopeSpans: [{ scope: origin.scope, spans }],
        })),
      }),
    ).groups;
    // Names that were missing have been given and are now there.
    expect(again.map(({ spans }) => spans)).toEqual(groups.map(({ spans }) => spans));
    expect(again.map(({ origin }) => origin)).toEqual(groups.map(({ origin }) => origin));
  });

  test('any JSON is either read or refused', () => {
    const names = [
      'resourceSpans',
      'scopeSpans',
      'spans',
      'attributes',
      'key',
      'value',
      'intValue',
      'arrayValue',
      'values',
      'traceId',
    ];
    const json = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 8, withCrossShrink: true },
        fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
        fc.dictionary(fc.constantFrom(...names), tie('node')),
        fc.array(tie('node'), { maxLength: 3 }),
      ),
    }));
    const span = json.node.map((node) => ({
      resourceSpans: [{ scopeSpans: [{ spans: [Object.assign({ traceId: hex(16), spanId: hex(8) }, node)] }] }],
    }));
    fc.assert(
      fc.property(fc.oneof(json.node, span), (body) => {
        try {
          for (const { spans } of decodeOtlp(JSON.stringify(body)).groups)
            for (const each of spans) {
              expect(Number.isSafeInteger(timesOf(each).start)).toBe(true);
              JSON.stringify(each.attributes.map(tagOf));
            }
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Refused);
        }
      }),
    );
  });

  test('ids arrive in either case', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 128n - 1n), fc.bigInt(1n, 2n ** 64n - 1n), (trace, span) => {
        const [traceId, spanId] = [trace.toString(16).padStart(32, '0'), span.toString(16).padStart(16, '0')];
        const body = { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: traceId.toUpperCase(), spanId }] }] }] };
        expect(decodeOtlp(JSON.stringify(body)).groups[0]?.spans[0]).toMatchObject({ traceId, spanId });
      }),
    );
  });
});

test('every whole number of 64 bits keeps its digits', () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (number) => {
      const value = { intValue: String(number) };
      expect(textOf(value)).toBe(String(number));
      expect(String(tagOf({ key: 'n', value }).value)).toBe(String(number));
    }),
  );
});

describe('odd values', () => {
  /** A request with one span that is as it should be, and others. */
  const read = (...others: readonly object[]) => {
    const spans = [{}, ...others].map((more, n) => ({ traceId: hex(16), spanId: hex(8), name: `span-${n}`, ...more }));
    return decodeOtlp(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }));
  };
  const given = (json: string): unknown => {
    const body = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${hex(16)}","spanId":"${hex(8)}","attributes":[{"key":"odd","value":${json}}]}]}]}]}`;
    return decodeOtlp(body).groups[0]?.spans[0]?.attributes[0]?.value;
  };

  test.each([
    ['{"doubleValue":null}', {}],
    ['{"intValue":null}', {}],
    ['{"stringValue":null}', {}],
    ['{"boolValue":null}', {}],
    ['{"arrayValue":null}', {}],
    ['{"kvlistValue":null}', {}],
    ['null', {}],
    ['{"intValue":9223372036854775808}', { stringValue: '9223372036854776000' }],
    ['{"intValue":"9223372036854775808"}', { stringValue: '9223372036854775808' }],
    ['{"intValue":1e21}', { stringValue: '1e+21' }],
    ['{"intValue":1.5}', { stringValue: '1.5' }],
    ['{"doubleValue":1e999}', { stringValue: 'Infinity' }],
    ['{"doubleValue":"a lot"}', { stringValue: 'a lot' }],
    ['{"boolValue":"true"}', { stringValue: 'true' }],
    ['{"stringValue":5}', { stringValue: '5' }],
    ['{"bytesValue":{"a":1}}', { stringValue: '{"a":1}' }],
  ])('the attribute value %s is kept', (json, expected) => {
    expect(given(json)).toEqual(expected);
  });

  test('an attribute without a key is kept', () => {
    const { groups, rejected } = read({ attributes: [{ value: { intValue: 1 } }, { key: null }, {}] });
    expect(rejected).toBe(0);
    expect(groups[0]?.spans[1]?.attributes).toEqual([
      { key: '', value: { intValue: '1' } },
      { key: '', value: {} },
      { key: '', value: {} },
    ]);
  });

  test.each([
    ['a negative time', { startTimeUnixNano: '-1' }, 'startTimeUnixNano is not a time in nanoseconds'],
    ['no id', { spanId: '' }, 'spanId is missing or zero'],
    ['an invalid id', { traceId: 'xyz' }, 'traceId is not 32 hexadecimal digits'],
    ['attributes that are not a list', { attributes: 'x' }, 'attributes is not a list'],
    ['an invalid event', { events: [7] }, 'an event is not an object'],
  ])('a span with %s is left out, and the others are kept', (_, bad, reason) => {
    const { groups, ...rest } = read(bad, {}, bad);
    expect(groups.flatMap(({ spans }) => spans.map(({ name }) => name))).toEqual(['span-0', 'span-2']);
    expect(rest).toEqual({ rejected: 2, reason });
  });

  test('the spans of a resource that cannot be read are left out, those of others are kept', () => {
    const span = () => ({ traceId: hex(16), spanId: hex(8) });
    const scopeSpans = [{ spans: [span(), span()] }];
    const bad = [{ resource: { attributes: 5 }, scopeSpans }, { scopeSpans: [{ scope: 5, spans: [span()] }] }];
    const { groups, rejected } = decodeOtlp(JSON.stringify({ resourceSpans: [...bad, { scopeSpans }] }));
    expect({ groups: groups.length, rejected }).toEqual({ groups: 1, rejected: 3 });
  });

  test('a byte order mark is passed over', () => {
    expect(decodeOtlp(`\ufeff${shutdownBodies('a', 1).bodies[0]}`).groups).toHaveLength(1);
  });
});

describe('a body whose values would take too much memory is refused before they are made', () => {
  const times = (text: string) =>
    Array.from({ length: Math.floor((32 * 2 ** 20) / (text.length + 1)) }, () => text).join(',');
  test.each([
    ['empty resources', `{"resourceSpans":[${times('{}')}]}`],
    ['empty scopes', `{"resourceSpans":[{"scopeSpans":[${times('{}')}]}]}`],
    ['numbers', `[${times('1')}]`],
    ['brackets', '['.repeat(15_000_000)],
    ['attributes', `{"resourceSpans":[{"resource":{"attributes":[${times('{}')}]}}]}`],
    ['braces behind an escaped quote', `["\\"${'\\\\'}",${times('{}')}]`],
  ])('of %s', (_, body) => {
    const begun = performance.now();
    expect(() => decodeOtlp(body)).toThrow('values in one request');
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  test('brackets inside text do not count as values', () => {
    const text = JSON.stringify('{[,"\\'.repeat(1_000_000));
    expect(decodeOtlp(`{"other":${text}}`)).toEqual({ groups: [], rejected: 0, reason: '' });
  });
});
