import { describe, expect, test } from 'vitest';
import { failureOf, type Outcome, resultOf } from '../../../../src/provider/offline/result.ts';

/** Everybody was told and traffic was over. */
const GOOD: Outcome = {
  coverage: { planned: 3, acked: 3, idle: 3, failed: 0, gone: 1, stranded: 0 },
  drainResult: 'drained',
  hadNothing: false,
  overflowed: 0,
  unconfirmed: false,
  causes: '',
  exposed: undefined,
  unfinished: [],
};

describe('the result of an offline', () => {
  test.each<[string, Partial<Outcome>, string, string | undefined]>([
    ['a shutdown without a problem', {}, 'success', undefined],
    ['an undone offline', { drainResult: 'cancelled' }, 'cancelled', undefined],
    [
      'an instance that was never ready and served no request',
      { hadNothing: true, unconfirmed: true },
      'never_ready',
      undefined,
    ],
    [
      'consumers without another instance',
      { coverage: { ...GOOD.coverage, stranded: 2 }, drainResult: 'timeout' },
      'last_instance',
      '2 consumers still called and had no other instance of the service to call',
    ],
    [
      'work left at the deadline',
      { drainResult: 'timeout', exposed: 'x' },
      'timeout',
      'the grace period ended with work left',
    ],
    [
      'failed GoAways',
      { coverage: { ...GOOD.coverage, acked: 1, idle: 1, failed: 2 }, causes: '2 refused' },
      'incomplete',
      '2 of 3 consumers were not told: 2 refused',
    ],
    [
      'consumers that were never idle',
      { coverage: { ...GOOD.coverage, idle: 2 } },
      'incomplete',
      '1 of 3 consumers never said that they were idle',
    ],
    ['callers that keep coming', { exposed: 'they still come' }, 'incomplete', 'they still come'],
    [
      'a registry that did not confirm',
      { unconfirmed: true },
      'incomplete',
      'a caller did not learn of the shutdown, or the registry did not confirm the removal',
    ],
    [
      'too many callers',
      { overflowed: 1 },
      'incomplete',
      'a caller did not learn of the shutdown, or the registry did not confirm the removal',
    ],
  ])('of %s', (_, outcome, result, message) => {
    const whole = { ...GOOD, ...outcome };
    expect(resultOf(whole)).toBe(result);
    expect(failureOf(resultOf(whole), whole)?.message).toBe(message);
  });
});
