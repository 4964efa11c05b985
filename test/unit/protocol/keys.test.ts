import { describe, expect, test } from 'vitest';
import { Keys } from '../../../src/protocol/keys.ts';
import { keysOf } from '../../support/keys.ts';

const SECRET = 'a secret of the fleet';

describe('two keys of one secret', () => {
  // Fixed, so that nothing changes them without a word: versions would not understand each other any more.
  test('are those of HKDF-SHA256', () => {
    const keys = keysOf(SECRET);
    expect(keys.token).toBe('NyrmWcO08I-si0QNtb1c3A0yoq0zha1Vb5dNHdfjZ50');
    expect(keys.prove('goaway', ['a'])).toEqual(['03EZTswOWHHHhNKxOXi1y1f7Nbv9qfi8AfDkNG1vTSY']);
    expect(keys.prove('operator', ['a'])).toEqual(['lTmo7snFP6I3Uy2mnOLdfvvoFOHvJAQBRFcHABgn0a4']);
  });

  test('a proof is valid only for its key and its purpose', () => {
    const keys = keysOf(SECRET);
    const purposes = ['consumer', 'goaway', 'operator', 'answer'] as const;
    for (const made of purposes)
      for (const asked of purposes) expect(keys.isProved(asked, ['a'], keys.prove(made, ['a']))).toBe(made === asked);
  });

  test('a token reveals neither the secret nor the signing key', () => {
    const { token } = keysOf(SECRET);
    expect(keysOf(token).token).not.toBe(token);
    expect(keysOf(SECRET).isProved('goaway', ['a'], keysOf(token).prove('goaway', ['a']))).toBe(false);
    expect(keysOf(SECRET).isToken(SECRET)).toBe(false);
  });
});

test('each of two secrets proves and is accepted; the token is that of the first', () => {
  const keys = keysOf('old', 'new');
  expect(keys.prove('goaway', ['a'])).toEqual([
    ...keysOf('old').prove('goaway', ['a']),
    ...keysOf('new').prove('goaway', ['a']),
  ]);
  expect(keys.token).toBe(keysOf('old').token);
  for (const secret of ['old', 'new']) expect(keys.isToken(keysOf(secret).token)).toBe(true);
  expect(keys.isToken(keysOf('other').token)).toBe(false);
});

test('other secrets are used from the moment they are there', () => {
  let secrets: readonly string[] = ['old'];
  const keys = new Keys(() => secrets);
  const { token, version } = keys;
  secrets = ['new'];
  expect(keys.token).toBe(keysOf('new').token);
  expect(keys.isToken(token)).toBe(false);
  expect(keys.version).not.toBe(version);
});
