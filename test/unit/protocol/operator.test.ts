import { describe, expect, test } from 'vitest';
import { authorize, isAnswer, newChallenge, Operators, placeOf } from '../../../src/protocol/operator.ts';
import { keysOf } from '../../support/keys.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const keys = keysOf('secret');
const clock = new SimulatedClock();
const PLACE = placeOf('127.0.0.1', 54_199);
const OTHER_PLACE = placeOf('127.0.0.1', 54_200);

describe('an operator is believed', () => {
  test('that signs the request, once', () => {
    const operators = new Operators(keys, clock);
    const header = authorize(keys, 'POST', '/offline?wait=true', PLACE, clock.wall());
    expect(operators.isProved(header, 'POST', '/offline?wait=true', PLACE)).toBe(true);
    expect(operators.isProved(header, 'POST', '/offline?wait=true', PLACE)).toBe(false);
  });

  test.each([
    ['another method', 'GET', '/offline', PLACE],
    ['another path', 'POST', '/online', PLACE],
    ['another query', 'POST', '/offline?wait=true', PLACE],
    ['another port', 'POST', '/offline', OTHER_PLACE],
  ])('only for the signed request, not for %s', (_, method, path, port) => {
    const header = authorize(keys, 'POST', '/offline', PLACE, clock.wall());
    expect(new Operators(keys, clock).isProved(header, method, path, port)).toBe(false);
  });

  test('not a minute later', () => {
    const header = authorize(keys, 'GET', '/status', PLACE, clock.wall() - 60_001);
    expect(new Operators(keys, clock).isProved(header, 'GET', '/status', PLACE)).toBe(false);
  });

  test.each([
    [`Bearer ${keys.token}`, true],
    ['Bearer secret', false],
    ['Bearer ', false],
    [keys.token, false],
    [`Basic ${keys.token}`, false],
    [`Lossless ${keys.token}`, false],
    ['Lossless t=1;n=2;s=3', false],
    ['', false],
    [undefined, false],
  ])('whether the authorization "%s" is accepted: %s', (header, expected) => {
    expect(new Operators(keys, clock).isProved(header, 'GET', '/status', PLACE)).toBe(expected);
  });
});

describe('a control server proves itself', () => {
  const operators = new Operators(keys, clock);

  test('for one challenge, at its port', () => {
    const challenge = newChallenge();
    const proofs = operators.answer(challenge, PLACE) ?? [];
    expect(isAnswer(keys, challenge, PLACE, proofs)).toBe(true);
    expect(isAnswer(keys, newChallenge(), PLACE, proofs)).toBe(false);
    expect(isAnswer(keys, challenge, OTHER_PLACE, proofs)).toBe(false);
    expect(isAnswer(keysOf('other'), challenge, PLACE, proofs)).toBe(false);
    expect(isAnswer(keys, challenge, PLACE, [])).toBe(false);
  });

  test.each(['', 'short', 'x'.repeat(23), '"'.repeat(22), 'x'.repeat(1_000_000)])(
    'the challenge "%.30s" gets no answer',
    (text) => {
      expect(operators.answer(text, PLACE)).toBeUndefined();
    },
  );

  test('an answer opens nothing', () => {
    const nonce = newChallenge();
    const [proof = ''] = operators.answer(nonce, PLACE) ?? [];
    for (const header of [`Bearer ${proof}`, `Lossless t=${clock.wall()};n=${nonce};s=${proof}`])
      expect(operators.isProved(header, 'GET', '/status', PLACE)).toBe(false);
  });
});

test.each([
  ['127.0.0.1', 'here:1'],
  ['::ffff:127.0.0.1', 'here:1'],
  ['::1', 'here:1'],
  ['::ffff:10.0.0.7', 'elsewhere:1'],
  ['fd00::1', 'elsewhere:1'],
  [undefined, 'elsewhere:1'],
])('the address %s is the place %s', (address, place) => {
  expect(placeOf(address, 1)).toBe(place);
});
