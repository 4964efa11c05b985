import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tagOf, textOf } from '../../../collector/attributes.ts';
import { decodeOtlp, timesOf } from '../../../collector/otlp.ts';
import { Refused } from '../../../collector/refused.ts';
import { hex } from '../../support/otlp.ts';
import { foreignBody } from '../../support/otlp-foreign.ts';

describe('decodeOtlp', () => {
  test('reads back what it has read', () => {
    const groups = decodeOtlp(foreignBody(1_790_000_000_000).body);
    const again = decodeOtlp(
      JSON.stringify({
        resourceSpans: groups.map(({ origin, spans }) => ({
          resource: { attributes: origin.resource },
          scopeSpans: [{ scope: origin.scope, spans }],
        })),
      }),
    );
    // Names that were missing have been given and are now there.
    expect(again.map(({ spans }) => spans)).toEqual(groups.map(({ spans }) => spans));
    expect(again.map(({ origin }) => origin)).toEqual(groups.map(({ origin }) => origin));
  });

  test('any JSON is read or refused, nothing else', () => {
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
          for (const { spans } of decodeOtlp(JSON.stringify(body)))
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
        expect(decodeOtlp(JSON.stringify(body))[0]?.spans[0]).toMatchObject({ traceId, spanId });
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
