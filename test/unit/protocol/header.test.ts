import fc from 'fast-check';
import { parseItem } from 'structured-headers';
import { describe, expect, test } from 'vitest';
import {
  consumerProof,
  decodeConsumer,
  decodeDraining,
  encodeConsumer,
  encodeDraining,
  HEADER_LIMIT,
} from '../../../src/protocol/header.ts';
import { keysOf } from '../../support/keys.ts';

const name = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abcXYZ019._- "\\:/;=') });
const identity = fc.record({
  service: name,
  instanceId: name,
  generation: fc.integer({ min: 0, max: 999_999_999_999_999 }),
});
const caller = fc.tuple(identity, fc.integer({ min: 1, max: 65_535 })).map(([who, port]) => ({ ...who, port }));

/** A header with one character replaced by a few others. */
const damaged = fc.tuple(caller, fc.nat(), fc.string({ maxLength: 3 })).map(([who, at, noise]) => {
  const header = encodeConsumer(who);
  const cut = at % header.length;
  return header.slice(0, cut) + noise + header.slice(cut + 1);
});

/** The pieces of a complete header and up to two odd ones, in any order. */
const pieces = fc
  .array(
    fc.constantFrom(
      ...['; id="x\\"y"', ';port="2"', ';gen=-0', ';gen=-1', ';gen=0999999999999999', ';gen=999999999999999', ';gen='],
      ...[';port=65536', ';port=0', ';port =2', ';port= 2', ';more=7', ';*="a"', ';A=1', ';flag', ';t=?1', ';w=word'],
      ...[' ', '\t', ';', '=', '"', '\\', ', "b"', '\u00e9', '\u0000'],
    ),
    { maxLength: 2 },
  )
  .map((odd) => [';id="b"', ';gen=1', ';port=2', ...odd])
  .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }))
  .chain((tail) =>
    fc.constantFrom('"a"', ' "a"', '\t"a"', '"\\a"', '""', 'a', '1').map((head) => head + tail.join('')),
  );

function standard(header: string): ReturnType<typeof parseItem> | undefined {
  try {
    return parseItem(header);
  } catch {
    return undefined;
  }
}

describe('lossless-consumer', () => {
  test('comes back as it was written', () => {
    fc.assert(fc.property(caller, (who) => void expect(decodeConsumer(encodeConsumer(who))).toEqual(who)));
  });

  test('is written as a structured field of RFC 9651', () => {
    fc.assert(
      fc.property(caller, (who) => {
        const [value, parameters] = parseItem(encodeConsumer(who));
        expect({
          service: value,
          instanceId: parameters.get('id'),
          generation: parameters.get('gen'),
          port: parameters.get('port'),
        }).toEqual(who);
      }),
    );
  });

  test('is rejected when a parser of the standard rejects it, and read alike when both accept it', () => {
    fc.assert(
      fc.property(fc.oneof(damaged, pieces, fc.string()), (header) => {
        const ours = decodeConsumer(header);
        if (ours === undefined) return;
        const [service, parameters] = parseItem(header);
        const [id, gen, port] = ['id', 'gen', 'port'].map((key) => parameters.get(key));
        expect(ours).toEqual({ service, instanceId: id, generation: gen, port });
      }),
      { numRuns: 5_000 },
    );
  });

  test('is accepted when a parser of the standard finds it complete and in range', () => {
    fc.assert(
      fc.property(fc.oneof(damaged, pieces), (header) => {
        const item = standard(header);
        const [service, parameters] = item ?? [];
        const [id, gen, port] = ['id', 'gen', 'port'].map((key) => parameters?.get(key));
        const isName = (value: unknown) => typeof value === 'string' && value.length > 0 && value.length <= 128;
        const isWhole = (value: unknown, least: number, most: number) =>
          Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
        // Decimals, and types that we never send, are outside the subset.
        const isSubset = ![...(parameters?.values() ?? [])].some(
          (value) => !['string', 'number'].includes(typeof value),
        );
        fc.pre(isSubset && !header.includes('.'));
        const complete =
          isName(service) && isName(id) && isWhole(gen, 0, 999_999_999_999_999) && isWhole(port, 1, 65_535);
        expect(decodeConsumer(header) !== undefined).toBe(complete && header.length <= HEADER_LIMIT);
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ['too long', encodeConsumer({ service: 'a', instanceId: 'b'.repeat(HEADER_LIMIT), generation: 1, port: 1 })],
    ['no id', '"a";gen=1;port=1'],
    ['no port', '"a";id="b";gen=1'],
    ['port out of range', '"a";id="b";gen=1;port=65536'],
    ['a port of text', '"a";id="b";gen=1;port="1"'],
    ['a generation with a fraction', '"a";id="b";gen=1.5;port=1'],
    ['a negative generation', '"a";id="b";gen=-1;port=1'],
    ['no service', '"";id="b";gen=1;port=1'],
    ['two values joined', '"a";id="b";gen=1;port=1, "a";id="b";gen=1;port=1'],
    ['empty', ''],
  ])('is ignored: %s', (_, header) => {
    expect(decodeConsumer(header)).toBeUndefined();
  });

  describe('a host', () => {
    const who = { service: 'a', instanceId: 'b', generation: 1, port: 2, host: '192.0.2.7' };
    const signed = encodeConsumer(who, keysOf('secret'), 5_000);

    test('is accepted with a valid proof', () => {
      expect(decodeConsumer(signed, true)).toEqual(who);
      expect(decodeConsumer(signed)).not.toHaveProperty('host');
    });

    test('is not sent without a secret', () => {
      expect(encodeConsumer(who)).not.toContain('host');
    });
  });

  test('each secret signs all text before the proofs', () => {
    const who = { service: 'a', instanceId: 'b', generation: 1, port: 2, tls: true };
    const keys = keysOf('one', 'two');
    const header = encodeConsumer(who, keys, 119_999);
    const claim = '"a";id="b";gen=1;port=2;tls=1;t=60';
    expect(header).toBe(`${claim};sig="${keys.prove('consumer', [claim]).join(' ')}"`);
    expect(consumerProof(header)).toEqual({ claim, signedAt: 60_000, proofs: keys.prove('consumer', [claim]) });
    expect(decodeConsumer(header)).toEqual(who);
    const [value, parameters] = parseItem(header);
    expect([value, [...parameters.keys()]]).toEqual(['a', ['id', 'gen', 'port', 'tls', 't', 'sig']]);
  });

  test.each([
    ['nothing', ''],
    ['a short proof', ';t=1;sig="abc"'],
    ['a proof without a time', `;sig="${'a'.repeat(43)}"`],
    ['three proofs', `;t=1;sig="${new Array(3).fill('a'.repeat(43)).join(' ')}"`],
    ['a parameter behind the proof', `;t=1;sig="${'a'.repeat(43)}";port=3`],
    ['a proof of version 0.1.0', `;host="192.0.2.7";sig="${'a'.repeat(43)}"`],
  ])('is no proof: %s', (_, end) => {
    expect(consumerProof(`"a";id="b";gen=1;port=2${end}`)).toBeUndefined();
  });

  test('a header with any service name fits, signed with two secrets; a host that does not fit is left out', () => {
    const keys = keysOf('one', 'two');
    const longest = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/);
    fc.assert(
      fc.property(
        longest,
        longest,
        fc.integer({ min: 1, max: 253 }),
        fc.boolean(),
        (service, instanceId, length, tls) => {
          const who = { service, instanceId, generation: 999_999_999_999_999, port: 65_535, ...(tls && { tls }) };
          const host = 'c'.repeat(length);
          const header = encodeConsumer({ ...who, host }, keys, Date.now());
          expect(header.length).toBeLessThanOrEqual(HEADER_LIMIT);
          const { claim = '', proofs = [] } = consumerProof(header) ?? {};
          expect(keys.isProved('consumer', [claim], proofs)).toBe(true);
          expect([who, { ...who, host }]).toContainEqual(decodeConsumer(header, true));
        },
      ),
    );
    const plain = { service: 'a'.repeat(128), instanceId: 'b'.repeat(128), generation: 1, port: 2 };
    expect(decodeConsumer(encodeConsumer({ ...plain, host: 'c'.repeat(253) }, keys, 0), true)).toEqual(plain);
    expect(decodeConsumer(encodeConsumer({ ...plain, host: '192.0.2.7' }, keys, 0), true)).toHaveProperty('host');
  });
});

describe('lossless-draining', () => {
  test('comes back as it was written', () => {
    fc.assert(fc.property(identity, (who) => void expect(decodeDraining(encodeDraining(who))).toEqual(who)));
  });

  test('hostile text never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (header) => void decodeDraining(header)));
  });

  test.each([
    ['backslashes', (n: number) => `"${'\\'.repeat(n)}`],
    ['blanks', (n: number) => `"a"${' '.repeat(n)}x`],
    ['blanks before a value', (n: number) => `${' '.repeat(n)}x`],
    ['parameters', (n: number) => `"a"${';a=1'.repeat(n / 4)}x`],
    ['digits', (n: number) => `"a";a=${'1'.repeat(n)}`],
    ['a long name of a parameter', (n: number) => `"a";${'a'.repeat(n)}`],
  ])('ten thousand long hostile values take no time: %s', (_, make) => {
    const header = make(500);
    const begun = performance.now();
    for (let n = 0; n < 10_000; n++) expect(decodeDraining(header)).toBeUndefined();
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('a value beyond the limit is not parsed', () => {
    expect(decodeDraining(`"a";id="b";gen=1${' '.repeat(HEADER_LIMIT)}`)).toBeUndefined();
  });
});
