import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConsumerReader } from '../../../src/protocol/consumer-reader.ts';
import { encodeConsumer } from '../../../src/protocol/header.ts';
import { Keys } from '../../../src/protocol/keys.ts';
import { keysOf } from '../../support/keys.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const who = { service: 'a', instanceId: 'b', generation: 1, port: 2, host: '192.0.2.7' };
const keys = keysOf('secret');
const MINUTES_10 = 600_000;

let clock: SimulatedClock;
let refused: string[];
let reader: ConsumerReader;
beforeEach(() => {
  clock = new SimulatedClock();
  // A minute begins.
  clock.stepWall(60_000 - (clock.wall() % 60_000));
  refused = [];
  reader = new ConsumerReader(keys, clock, (why) => refused.push(why));
});

test('without a secret every caller is believed, but no host', () => {
  const { host: _, ...withoutHost } = who;
  expect(new ConsumerReader(undefined, clock, () => {}).read(encodeConsumer(who, keys, 0))).toEqual(withoutHost);
});

describe('with a secret', () => {
  test('a signed caller is believed', () => {
    expect(reader.read(encodeConsumer(who, keys, clock.wall()))).toEqual(who);
    expect(refused).toEqual([]);
  });

  test.each([
    ['unsigned', () => encodeConsumer(who), 'not signed'],
    ['of version 0.1.0', () => `"a";id="b";gen=1;port=2;host="192.0.2.7";sig="${'a'.repeat(43)}"`, 'not signed'],
    ['of another secret', () => encodeConsumer(who, keysOf('other'), clock.wall()), 'does not match'],
    ['too old', () => encodeConsumer(who, keys, clock.wall() - MINUTES_10 - 1_000), 'check the clocks'],
    ['of the future', () => encodeConsumer(who, keys, clock.wall() + MINUTES_10 + 60_000), 'check the clocks'],
  ])('a header is refused that is %s', (_, header, why) => {
    expect(reader.read(header())).toBeUndefined();
    expect(refused).toEqual([expect.stringContaining(why)]);
  });

  test('a malformed header names no consumer, and is not logged', () => {
    expect(reader.read('nonsense')).toBeUndefined();
    expect(refused).toEqual([]);
  });

  test('a header with one changed, added or missing character is refused', () => {
    const header = encodeConsumer({ ...who, tls: true }, keys, clock.wall());
    fc.assert(
      fc.property(fc.nat(header.length), fc.constantFrom('', ...'abcXYZ0129.-_;=" '), fc.nat(1), (at, put, cut) => {
        const changed = header.slice(0, at) + put + header.slice(at + cut);
        fc.pre(changed !== header && changed.trim() !== header);
        expect(reader.read(changed)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([';port=3', ';host="192.0.2.8"', ';tls=0', ' ', ';t=9'])(
    'a signed header with the addition "%s" is refused',
    (more) => {
      const header = encodeConsumer(who, keys, clock.wall());
      expect(reader.read(header + more)).toBeUndefined();
      expect(reader.read(header.replace(';t=', `${more};t=`))).toBeUndefined();
    },
  );

  test('a header is valid for ten minutes, also a remembered one', async () => {
    const header = encodeConsumer(who, keys, clock.wall());
    for (let minute = 0; minute < 10; minute++) {
      expect(reader.read(header)).toEqual(who);
      await clock.advance(60_000);
    }
    expect(reader.read(header)).toEqual(who);
    await clock.advance(1_000);
    expect(reader.read(header)).toBeUndefined();
  });

  test('a withdrawn secret also removes the remembered headers', () => {
    let secrets: readonly string[] = ['secret', 'new'];
    const changing = new ConsumerReader(new Keys(() => secrets), clock, () => {});
    const [old, next] = ['secret', 'new'].map((secret) => encodeConsumer(who, keysOf(secret), clock.wall()));
    for (const header of [old, next]) expect(changing.read(header as string)).toEqual(who);
    secrets = ['new'];
    expect(changing.read(old as string)).toBeUndefined();
    expect(changing.read(next as string)).toEqual(who);
  });

  test('a header that is seen again costs a look-up, and strangers cannot push it out', () => {
    let proofs = 0;
    const counting = new (class extends Keys {
      override isProved(...args: Parameters<Keys['isProved']>): boolean {
        proofs++;
        return super.isProved(...args);
      }
    })(() => ['secret']);
    // The same array each time, as the plugin has it.
    const secrets = ['secret'];
    Object.defineProperty(counting, 'version', { get: () => secrets });
    const own = new ConsumerReader(counting, clock, () => {});
    const header = encodeConsumer(who, keys, clock.wall());
    for (let n = 0; n < 2_000; n++) {
      own.read(header);
      own.read(encodeConsumer({ ...who, instanceId: `x${n}` }, keysOf('other'), clock.wall()));
    }
    expect(proofs).toBe(2_001);
  });

  test('a thousand are remembered, and more do not hurt', () => {
    for (let n = 0; n < 3_000; n++)
      expect(reader.read(encodeConsumer({ ...who, instanceId: `x${n}` }, keys, clock.wall()))).toBeDefined();
  });
});
