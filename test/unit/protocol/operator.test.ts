import { describe, expect, test } from 'vitest';
import { authorize, isAnswer, newChallenge, Operators } from '../../../src/protocol/operator.ts';
import { keysOf } from '../../support/keys.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const keys = keysOf('secret');
const clock = new SimulatedClock();
const PORT = 54_199;

describe('an operator is believed', () => {
  test('who signs the request, once', () => {
    const operators = new Operators(keys, clock);
    const header = authorize(keys, 'POST', '/offline?wait=true', PORT, clock.wall());
    expect(operators.isProved(header, 'POST', '/offline?wait=true', PORT)).toBe(true);
    expect(operators.isProved(header, 'POST', '/offline?wait=true', PORT)).toBe(false);
  });

  test.each([
    ['another method', 'GET', '/offline', PORT],
    ['another path', 'POST', '/online', PORT],
    ['another query', 'POST', '/offline?wait=true', PORT],
    ['another port', 'POST', '/offline', PORT + 1],
  ])('not for %s', (_, method, path, port) => {
    const header = authorize(keys, 'POST', '/offline', PORT, clock.wall());
    expect(new Operators(keys, clock).isProved(header, method, path, port)).toBe(false);
  });

  test('not a minute later', () => {
    const header = authorize(keys, 'GET', '/status', PORT, clock.wall() - 60_001);
    expect(new Operators(keys, clock).isProved(header, 'GET', '/status', PORT)).toBe(false);
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
  ])('%s: %s', (header, expected) => {
    expect(new Operators(keys, clock).isProved(header, 'GET', '/status', PORT)).toBe(expected);
  });
});

describe('a control server proves itself', () => {
  const operators = new Operators(keys, clock);

  test('for one challenge, at its port', () => {
    const challenge = newChallenge();
    const proofs = operators.answer(challenge, PORT) ?? [];
    expect(isAnswer(keys, challenge, PORT, proofs)).toBe(true);
    expect(isAnswer(keys, newChallenge(), PORT, proofs)).toBe(false);
    expect(isAnswer(keys, challenge, PORT + 1, proofs)).toBe(false);
    expect(isAnswer(keysOf('other'), challenge, PORT, proofs)).toBe(false);
    expect(isAnswer(keys, challenge, PORT, [])).toBe(false);
  });

  test.each(['', 'short', 'x'.repeat(23), '"'.repeat(22), 'x'.repeat(1_000_000)])(
    'nothing else is answered',
    (text) => {
      expect(operators.answer(text, PORT)).toBeUndefined();
    },
  );

  test('an answer opens nothing', () => {
    const nonce = newChallenge();
    const [proof = ''] = operators.answer(nonce, PORT) ?? [];
    for (const header of [`Bearer ${proof}`, `Lossless t=${clock.wall()};n=${nonce};s=${proof}`])
      expect(operators.isProved(header, 'GET', '/status', PORT)).toBe(false);
  });
});
